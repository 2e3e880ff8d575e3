import { asSentence } from '@muster/contracts/sentence'
import { checkCredentials } from '@muster/providers/engine/check-credentials'
import { holdFor } from '@muster/providers/engine/classify'
import type { CreateContext } from '@muster/providers/engine/find'
import type { RemoteFailure } from '@muster/providers/provider'

/** Rounds of refusals in a row before a refusal in doubt is put to the check call. */
const ROUNDS_IN_DOUBT = 3
const FIRST_COOLDOWN_MS = 1_000
const MAX_COOLDOWN_MS = 60_000

export interface Confirmation {
  status: 'needs_reauth' | 'permission_denied'
  reason: string
}

interface Rounds {
  count: number
  until: number
}

/** How often in a row each account was refused, so that one refusal puts no account on hold. */
export class AccountRefusals {
  readonly #rounds = new Map<string, Rounds>()
  readonly #checks = new Map<string, Promise<Confirmation | undefined>>()

  /** The provider did what it was asked, or refused for another reason. */
  answered(accountId: string): void {
    this.#rounds.delete(accountId)
  }

  /** Refusals of calls that were under way together are one round, and the account cools down longer after each. */
  refused(accountId: string, now: number): { rounds: number; cooldownMs: number } {
    const last = this.#rounds.get(accountId)
    if (last && now < last.until) return { rounds: last.count, cooldownMs: last.until - now }
    const count = (last?.count ?? 0) + 1
    const cooldownMs = Math.min(MAX_COOLDOWN_MS, FIRST_COOLDOWN_MS * 2 ** (count - 1))
    this.#rounds.set(accountId, { count, until: now + cooldownMs })
    return { rounds: count, cooldownMs }
  }

  /** Calls that are refused together are confirmed by one check call. */
  async confirm(accountId: string, run: () => Promise<Confirmation | undefined>): Promise<Confirmation | undefined> {
    const present = this.#checks.get(accountId)
    if (present) return present
    const check = run().finally(() => this.#checks.delete(accountId))
    this.#checks.set(accountId, check)
    return check
  }
}

interface Refused extends Omit<CreateContext, 'input'> {
  failure: RemoteFailure
  /** In a row, this one included. */
  rounds: number
}

/**
 * Whether a refusal of the account is to be believed: at once where it is final, else when the check call says so too.
 * Refused every time though the check succeeds, the account may read and not create. Undefined: in doubt.
 */
export async function confirmRefusal({
  provider,
  account,
  connection,
  failure,
  rounds,
}: Refused): Promise<Confirmation | undefined> {
  const status = holdFor(failure)
  if (status === null) return undefined
  if (failure.certainty === 'final') return { status, reason: failure.message }
  if (failure.certainty !== 'confirm' && rounds < ROUNDS_IN_DOUBT) return undefined
  // An end of the worker or a cooldown of the lane in the middle of it leaves the doubt.
  const check = await checkCredentials(provider, account, connection).catch(() => 'unanswered' as const)
  if (check === 'unanswered') return undefined
  const said = asSentence(failure.message)
  if (check === undefined) {
    if (rounds < ROUNDS_IN_DOUBT) return undefined
    return { status, reason: `${said} Refused ${rounds} times in a row, though a check call was answered.` }
  }
  const checked = holdFor(check)
  if (checked === null) return undefined
  const words = check.message === failure.message ? '' : ` (${check.message})`
  return { status: checked, reason: `${said} A check call was refused too${words}.` }
}
