import type { AllowedHosts } from '@muster/contracts/allowed-hosts'
import { KnownSecrets } from '@muster/contracts/known-secrets'
import { blotOut, credentialSecrets } from '@muster/contracts/secrets'
import type { EventSourceRef } from '@muster/domain/event'
import { accountLane } from '@muster/domain/lane-id'
import type { Egress } from '@muster/egress/egress'
import type { LaneSchedule } from '@muster/lanes/lane-schedule'
import { checkCredentials } from '@muster/providers/engine/check-credentials'
import { holdFor } from '@muster/providers/engine/classify'
import { connect } from '@muster/providers/engine/connection'
import { providerOf } from '@muster/providers/registry'
import type { AccountRecord } from '@muster/domain/account/record'
import { isHeld, recheckAt } from '@muster/domain/account/state'
import type { Clock } from '@muster/store/redis/clock'
import type { Store } from '@muster/store/store'
import { createTokenStore } from '@muster/store/accounts/token-store'
import type { Logger } from '@muster/process/logger'

/** Checks side by side, and of one tenant, whose provider may hang; the rest wait for the next sweep. */
const MAX_UNDER_WAY = 16
const MAX_OF_TENANT = 2
const TIMEOUT_MS = 30_000

export interface AccountRechecksOptions {
  store: Store
  httpFor: Egress['httpFor']
  allowedHosts: AllowedHosts
  schedule: LaneSchedule
  clock: Clock
  log: Logger
  /** From the hold to the first check; each further wait is twice as long. */
  firstRecheckMs: number
  onEvent(source: EventSourceRef): void
  onError(error: Error, accountId?: string): void
}

/**
 * Tries the credentials of accounts on hold with one harmless call, ever more rarely: a provider that refused in passing
 * must not need a person. When is kept in the record, so a restart changes nothing.
 */
export function createAccountRechecks(options: AccountRechecksOptions) {
  const { store, schedule, clock, log, firstRecheckMs, onEvent, onError } = options
  /** Account → tenant. */
  const underWay = new Map<string, string>()
  const countOf = (tenantId: string): number => [...underWay.values()].filter((other) => other === tenantId).length
  const stopping = new AbortController()

  async function recheck(account: AccountRecord): Promise<void> {
    const credentials = await store.accounts.readCredentials(account.id)
    if (!credentials) return
    const context = { config: account.config, credentialType: credentials.type }
    const provider = providerOf(account.provider)
    const secrets = new KnownSecrets(credentialSecrets(credentials))
    const connection = connect({
      provider,
      account: context,
      credentials,
      secrets,
      http: options.httpFor({ tenantId: account.tenantId, laneId: account.id }),
      allowedHosts: options.allowedHosts,
      tokens: createTokenStore(store, account),
      // Its lane is closed, so there is no pace to keep; its next owner keeps it.
      waitForPermit: async () => void (await schedule.noteCall(accountLane(account.id))),
      signal: AbortSignal.any([stopping.signal, AbortSignal.timeout(TIMEOUT_MS)]),
      now: clock.now,
    })
    const failure = await checkCredentials(provider, context, connection)
    if (failure) {
      const reason = holdFor(failure) === null ? null : blotOut(failure.message, secrets)
      await store.accounts.noteRecheck(account.id, reason, account.credentialsVersion, clock.now())
      return
    }
    const released = await store.accounts.release(account.id, account.credentialsVersion, clock.now())
    if (released?.status !== 'active') return
    log.info({ account_id: account.id, provider: provider.id }, 'a check took the account off hold')
    onEvent({ kind: 'account', id: account.id })
    await schedule.reload(accountLane(account.id))
  }

  return {
    consider(account: AccountRecord): void {
      if (!isHeld(account) || recheckAt(account, firstRecheckMs) > clock.now()) return
      if (underWay.has(account.id) || underWay.size >= MAX_UNDER_WAY) return
      if (countOf(account.tenantId) >= MAX_OF_TENANT) return
      underWay.set(account.id, account.tenantId)
      void recheck(account)
        .catch((error: unknown) => {
          if (!stopping.signal.aborted) onError(error as Error, account.id)
        })
        .finally(() => underWay.delete(account.id))
    },
    stop: (): void => stopping.abort(),
  }
}
