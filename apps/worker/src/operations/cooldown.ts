import type { AccountRecord, Cooldown } from '@muster/domain/account/record'
import { setCooldown } from '@muster/domain/account/state'
import type { JobOutcome } from '@muster/domain/outcome'
import type { Accounts } from '@muster/store/accounts/accounts'

/** What the account shows. Written only when it changes, so that an account at work costs nothing. */
export async function noteCooldown(
  accounts: Pick<Accounts, 'update'>,
  { id, cooldown: present }: AccountRecord,
  cooldown: Cooldown | null,
): Promise<void> {
  if (cooldown === null && !present) return
  await accounts.update(id, (latest) => setCooldown(latest, cooldown))
}

/** Lets one operation of an account that cools down run; the others go back when it has ended. */
export class Probes {
  readonly #underWay = new Map<string, Promise<unknown>>()

  async alone(accountId: string, run: () => Promise<JobOutcome>): Promise<JobOutcome> {
    const other = this.#underWay.get(accountId)
    if (other) {
      await other.catch(() => undefined)
      return { outcome: 'interrupted' }
    }
    const mine = run()
    this.#underWay.set(accountId, mine)
    try {
      return await mine
    } finally {
      this.#underWay.delete(accountId)
    }
  }
}
