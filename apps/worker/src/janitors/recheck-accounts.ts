import type { AllowedHosts } from '@muster/contracts/allowed-hosts'
import type { Credentials } from '@muster/contracts/integrated-account'
import { KnownSecrets } from '@muster/contracts/known-secrets'
import { blotOut, credentialSecrets } from '@muster/contracts/secrets'
import type { EventSourceRef } from '@muster/domain/event'
import { accountLane } from '@muster/domain/lane-id'
import type { Egress } from '@muster/egress/egress'
import type { LaneSchedule } from '@muster/lanes/lane-schedule'
import { checkCredentials } from '@muster/providers/engine/check-credentials'
import { holdFor } from '@muster/providers/engine/classify'
import { connect, type Connection } from '@muster/providers/engine/connection'
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
 * Tries the credentials of accounts on hold with one harmless call, at growing intervals, so that a passing refusal
 * needs no person. The record keeps when, so a restart changes nothing.
 */
export class AccountRechecks {
  readonly #options: AccountRechecksOptions
  /** Account → tenant. */
  readonly #underWay = new Map<string, string>()
  readonly #stopping = new AbortController()

  constructor(options: AccountRechecksOptions) {
    this.#options = options
  }

  consider(account: AccountRecord): void {
    const { firstRecheckMs, clock, onError } = this.#options
    if (!isHeld(account) || recheckAt(account, firstRecheckMs) > clock.now()) return
    if (this.#underWay.has(account.id) || this.#underWay.size >= MAX_UNDER_WAY) return
    if (this.#countOf(account.tenantId) >= MAX_OF_TENANT) return
    this.#underWay.set(account.id, account.tenantId)
    void this.#recheck(account)
      .catch((error: unknown) => {
        if (!this.#stopping.signal.aborted) onError(error as Error, account.id)
      })
      .finally(() => this.#underWay.delete(account.id))
  }

  stop(): void {
    this.#stopping.abort()
  }

  #countOf(tenantId: string): number {
    return [...this.#underWay.values()].filter((other) => other === tenantId).length
  }

  async #recheck(account: AccountRecord): Promise<void> {
    const { store, clock } = this.#options
    const credentials = await store.accounts.readCredentials(account.id)
    if (!credentials) return
    const secrets = new KnownSecrets(credentialSecrets(credentials))
    const context = { config: account.config, credentialType: credentials.type }
    const connection = this.#connect(account, credentials, secrets)
    const failure = await checkCredentials(providerOf(account.provider), context, connection)
    if (!failure) return this.#release(account)
    const reason = holdFor(failure) === null ? null : blotOut(failure.message, secrets)
    await store.accounts.noteRecheck(account.id, reason, account.credentialsVersion, clock.now())
  }

  #connect(account: AccountRecord, credentials: Credentials, secrets: KnownSecrets): Connection {
    const { store, httpFor, allowedHosts, schedule, clock } = this.#options
    return connect({
      provider: providerOf(account.provider),
      account: { config: account.config, credentialType: credentials.type },
      credentials,
      secrets,
      http: httpFor({ tenantId: account.tenantId, laneId: account.id }),
      allowedHosts,
      tokens: createTokenStore(store, account),
      // The lane is closed, so there is no pace to keep; its next owner counts this call.
      waitForPermit: async () => void (await schedule.noteCall(accountLane(account.id))),
      signal: AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(TIMEOUT_MS)]),
      now: clock.now,
    })
  }

  async #release(account: AccountRecord): Promise<void> {
    const { store, schedule, clock, log, onEvent } = this.#options
    const released = await store.accounts.release(account.id, account.credentialsVersion, clock.now())
    if (released?.status !== 'active') return
    log.info({ account_id: account.id, provider: account.provider }, 'a check took the account off hold')
    onEvent({ kind: 'account', id: account.id })
    await schedule.reload(accountLane(account.id))
  }
}
