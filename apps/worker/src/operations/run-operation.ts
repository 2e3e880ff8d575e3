import type { AllowedHosts } from '@muster/contracts/allowed-hosts'
import type { CallPermit } from '@muster/contracts/http-client'
import type { Credentials } from '@muster/contracts/integrated-account'
import type { JsonObject } from '@muster/contracts/json'
import type { RemoteCall, Warning } from '@muster/contracts/operation'
import type { StoredResult } from '@muster/contracts/response-format'
import { KnownSecrets } from '@muster/contracts/known-secrets'
import { blotOut, credentialSecrets, secretStrings } from '@muster/contracts/secrets'
import type { EventSourceRef } from '@muster/domain/event'
import type { Egress } from '@muster/egress/egress'
import { CoolingDownError } from '@muster/lanes/call-pacer'
import type { RunContext } from '@muster/lanes/lane'
import { attemptCreate } from '@muster/providers/engine/attempt'
import { baseUrlOf } from '@muster/providers/engine/base-url'
import { connect } from '@muster/providers/engine/connection'
import { runLookUp } from '@muster/providers/engine/find'
import type { AccountContext, Provider } from '@muster/providers/provider'
import { providerOf } from '@muster/providers/registry'
import { isCooling, planCooldown } from '@muster/domain/account/cooldown'
import type { AccountRecord, Cooldown } from '@muster/domain/account/record'
import { setCooldown } from '@muster/domain/account/state'
import { hashNaturalKey } from '@muster/store/crypto/hash-key'
import {
  jobIdOf,
  operationIdOf,
  type CreateInput,
  type OperationRecord,
  type OperationState,
} from '@muster/domain/operation/record'
import type { Failure, JobOutcome, Outcome } from '@muster/domain/outcome'
import {
  cancel,
  dueAt,
  expire,
  finishAttempt,
  holdUnreadable,
  isExpired,
  isFinished,
  recordIntent,
  recoverFromCrash,
  startAttempt,
  suspendAttempt,
  withdrawIntent,
  type RetryPolicy,
} from '@muster/domain/operation/state'
import { StaleVersionError } from '@muster/store/operations/operations'
import type { RedisClock } from '@muster/store/redis/clock'
import type { Store } from '@muster/store/store'
import { createTokenStore } from '@muster/store/accounts/token-store'
import { UnreadableError } from '@muster/store/crypto/unreadable'
import type { Logger } from '@muster/process/logger'
import type { RunSubjectJob } from '../lane-source.ts'
import type { WorkerMetrics } from '../metrics.ts'
import { AccountRefusals, confirmRefusal } from './account-refusals.ts'
import { Probes } from './cooldown.ts'
import { LaneMoods } from './lane-backoff.ts'
import { LookUpCache } from './look-up-cache.ts'
import { sanitizeFailure } from './sanitize-failure.ts'

export interface RunOperationDependencies {
  store: Store
  httpFor: Egress['httpFor']
  allowedHosts: AllowedHosts
  policy: RetryPolicy
  clock: RedisClock
  log: Logger
  metrics: WorkerMetrics
  /** Something was written that webhook endpoints may want to know. */
  onEvent(source: EventSourceRef): void
  /** A row of a batch has come further. */
  onBatch(batchId: string): void
}

/** What an attempt needs of what is sealed. */
interface Needs {
  opened: NonNullable<Awaited<ReturnType<Store['operations']['readRequest']>>>
  credentials: Credentials
}

/** Timers fire a little early and clocks differ a little; not worth a round through the queue. */
const EARLY_MS = 10
/** A permit that comes sooner is not worth a write, nor another look at what was read before. */
const SOON_MS = 1_000
/**
 * After which an operation that somebody else has just written, or whose account has just changed, is looked at again.
 */
const CONTESTED_MS = 1_000

interface Ready extends Needs {
  record: OperationRecord
  account: AccountRecord
}

/** One job of a lane: one attempt of its operation, and the record of what came of it. */
export function createRunOperation(dependencies: RunOperationDependencies): RunSubjectJob {
  const { store, policy, metrics, clock } = dependencies
  const moods = new LaneMoods()
  const refusals = new AccountRefusals()
  const lookUps = new LookUpCache()
  const probes = new Probes()

  return async (accountId, jobId, context) => {
    const log = dependencies.log.child({ account_id: accountId, operation_id: operationIdOf(jobId) })
    let permit: CallPermit | undefined
    try {
      let prepared = await prepare(accountId, jobId, log)
      if ('outcome' in prepared) return prepared
      if (context.expectedWaitMs() > SOON_MS) {
        // Before it counts as running: this may take a day, in which everything can change, and nothing is sent.
        permit = await context.waitForPermit(context.signal).catch((error: unknown) => {
          if (isHandedBack(context, error)) return undefined
          throw error
        })
        if (!permit) return { outcome: 'interrupted' }
        prepared = await prepare(accountId, jobId, log)
        if ('outcome' in prepared) return prepared
      }
      const ready = prepared
      const { account } = ready
      const begin = (): Promise<JobOutcome> =>
        start(ready, { ...context, waitForPermit: firstOf(permit, context) }, log)
      return await (isCooling(account.cooldown, clock.now()) ? probes.alone(account.id, begin) : begin())
    } catch (error) {
      if (!(error instanceof StaleVersionError)) throw error
      // Canceled just now, or taken over by another worker: the record's latest version decides.
      metrics.fenced.inc()
      log.warn('the operation was written by another process meanwhile')
      return { outcome: 'retrying', at: Date.now() + CONTESTED_MS }
    } finally {
      permit?.unused()
    }
  }

  async function start(ready: Ready, context: RunContext, log: Logger): Promise<JobOutcome> {
    const record = await store.operations.save(ready.record, startAttempt(ready.record.state, clock.now()))
    if (ready.record.state.startedAt === null)
      metrics.wait.observe(
        { provider: ready.account.provider },
        (clock.now() - Math.max(record.head.createdAt, record.state.notBefore ?? 0)) / 1000,
      )
    return runAttempt({ ...ready, record }, context, log)
  }

  /** What the account says of its rest. Written only when it changes, so that an account at work costs nothing. */
  async function coolDown(account: AccountRecord, cooldown: Cooldown | null): Promise<void> {
    if (cooldown === null && !account.cooldown) return
    await store.accounts.update(account.id, (latest) => setCooldown(latest, cooldown))
  }

  /** Whether the operation may run now: with what it needs, or what becomes of its job instead. */
  async function prepare(accountId: string, jobId: string, log: Logger): Promise<JobOutcome | Ready> {
    let record = await store.operations.read(accountId, operationIdOf(jobId))
    if (!record || isFinished(record.state) || jobIdOf(record.head.id, record.state.run) !== jobId)
      return { outcome: 'done' }
    if (record.state.status === 'running') {
      record = await store.operations.save(record, recoverFromCrash(record.state, clock.now()))
      log.warn(
        { crashes: record.state.crashes, status: record.state.status },
        'a worker died while it ran the operation',
      )
      if (isFinished(record.state)) {
        dependencies.onEvent({ kind: 'account', id: accountId })
        metrics.finished.inc({
          provider: record.head.provider,
          status: record.state.status,
          error_code: record.state.error?.code ?? '',
        })
        return { outcome: 'done' }
      }
    }
    const stopped = await heedHold(record)
    if (stopped) return stopped
    const due = dueAt(record.state)
    if (due > clock.now() + EARLY_MS) return { outcome: 'retrying', at: clock.toLocal(due) }
    if (isExpired(record.state, clock.now())) {
      await store.operations.save(record, expire(record.state, clock.now()))
      dependencies.onEvent({ kind: 'account', id: accountId })
      metrics.finished.inc({ provider: record.head.provider, status: 'expired', error_code: 'expired' })
      return { outcome: 'done' }
    }
    const account = await store.accounts.read(accountId)
    if (!account || account.status !== 'active') return { outcome: 'held' }
    // Before the attempt begins: what does not open must not look like a crash.
    return { record, account, ...(await openNeeds(record)) }
  }

  /** The request and the credentials. @throws UnreadableError after the record says so */
  async function openNeeds(record: OperationRecord): Promise<Needs> {
    const { accountId, id } = record.head
    try {
      const opened = await store.operations.readRequest(accountId, id)
      if (!opened) throw new UnreadableError(`operation:${id}:request`, 'it is not in Redis any more')
      const credentials = await store.accounts.readCredentials(accountId)
      if (!credentials) throw new UnreadableError(`account:${accountId}:credentials`, 'they are not in Redis any more')
      return { opened, credentials }
    } catch (error) {
      if (error instanceof UnreadableError && record.state.statusReason !== error.message)
        await store.operations.save(record, holdUnreadable(record.state, error.message, clock.now()))
      throw error
    }
  }

  /**
   * Of a batch that is paused, the job goes back to where the lane was given it from; of one that is being canceled,
   * the row ends here, unless something may have been sent.
   */
  async function heedHold({ head, state, version }: OperationRecord): Promise<JobOutcome | undefined> {
    if (head.batchId === null) return undefined
    const hold = await store.batches.readHold(head.accountId, head.batchId)
    if (hold === 'paused') {
      await store.operations.park({ head, state, version }, clock.now())
      return { outcome: 'done' }
    }
    if (hold === null || state.unknown !== null) return undefined
    await store.operations.save({ head, state, version }, cancel(state, clock.now()))
    dependencies.onEvent({ kind: 'account', id: head.accountId })
    dependencies.onBatch(head.batchId)
    return { outcome: 'done' }
  }

  function toJobOutcome(state: OperationState): JobOutcome {
    return isFinished(state)
      ? { outcome: 'done' }
      : { outcome: 'retrying', at: clock.toLocal(state.nextAttemptAt ?? clock.now()) }
  }

  async function runAttempt(
    { account, opened, credentials, ...started }: Ready,
    context: RunContext,
    log: Logger,
  ): Promise<JobOutcome> {
    const provider = providerOf(account.provider)
    const calls: RemoteCall[] = []
    let { record } = started
    let isSent = false

    const mayBeExecuted = (): boolean => isSent && calls.some((call) => call.purpose === 'create')
    /** Before the create is sent, a wait that is long counts as waiting. */
    const waitForPermit = async (signal?: AbortSignal): Promise<CallPermit> => {
      const next = context.waitForPermit(signal)
      if (isSent || (await isSettledWithin(next, SOON_MS))) return next
      record = await store.operations.save(record, suspendAttempt(record.state, clock.now()))
      await next.catch(() => undefined)
      record = await store.operations.save(record, startAttempt(record.state, clock.now()))
      return next
    }

    const input: CreateInput = opened.request
    const secrets = new KnownSecrets([...secretStrings(opened.secrets), ...credentialSecrets(credentials)])
    const accountContext = { config: account.config, credentialType: credentials.type }
    const connection = connect({
      provider,
      account: accountContext,
      credentials,
      secrets,
      http: dependencies.httpFor({ tenantId: account.tenantId, laneId: account.id }),
      allowedHosts: dependencies.allowedHosts,
      tokens: createTokenStore(store, account),
      waitForPermit: waitForPermit,
      signal: context.signal,
      now: clock.now,
      onCall(call) {
        calls.push(call)
        metrics.calls.observe(
          {
            provider: provider.id,
            purpose: call.purpose,
            class: call.status === null ? 'none' : `${Math.floor(call.status / 100)}xx`,
          },
          call.duration_ms / 1000,
        )
      },
    })

    const finish = async (end: Outcome, result?: StoredResult): Promise<OperationState> => {
      const state = finishAttempt(record.state, end, calls, policy, clock.now())
      record = await store.operations.save(record, state, result)
      dependencies.onEvent({ kind: 'account', id: account.id })
      if (record.head.batchId !== null) dependencies.onBatch(record.head.batchId)
      metrics.attempts.inc({ provider: provider.id, outcome: end.outcome })
      if (isFinished(state))
        metrics.finished.inc({ provider: provider.id, status: state.status, error_code: state.error?.code ?? '' })
      log.info(
        {
          provider: provider.id,
          request_id: record.head.requestId,
          attempt: state.attemptCount,
          outcome: end.outcome,
          status: state.status,
          error_code: state.error?.code ?? ('code' in end ? end.code : undefined),
        },
        'attempt ended',
      )
      return state
    }

    /** One refusal is not believed for good: until it is confirmed, the lane rests and no attempt is used up. */
    const settleRefusal = async (failure: Failure): Promise<JobOutcome> => {
      const refused = sanitizeFailure(failure, secrets)
      // Another call of the same moment was refused first.
      if ((await store.accounts.read(account.id))?.status !== 'active') {
        await finish(refused)
        return { outcome: 'held' }
      }
      const { rounds, restMs } = refusals.refused(account.id, clock.now())
      const confirmed = await refusals.confirm(account.id, () =>
        confirmRefusal({ provider, account: accountContext, connection, failure, rounds }),
      )
      const now = clock.now()
      if (!confirmed) {
        const state = await finish({ ...refused, outcome: 'retrying', at: now + restMs })
        const outcome = toJobOutcome(state)
        return outcome.outcome === 'retrying' ? { ...outcome, cooldownMs: restMs } : outcome
      }
      const { status } = confirmed
      const reason = aboutNoOne(confirmed.reason)
      const held = await store.accounts.hold(account.id, status, reason, account.credentialsVersion, now)
      refusals.answered(account.id)
      await finish(refused)
      if (held?.status === 'active') return { outcome: 'retrying', at: Date.now() + CONTESTED_MS }
      metrics.held.inc({ provider: provider.id, status })
      log.warn({ provider: provider.id, status }, 'the account went on hold')
      return { outcome: 'held' }
    }

    const naturalKey = provider.toNaturalKey(input, accountContext)
    /** The account's record is not sealed, and is about no person. */
    const aboutNoOne = (text: string): string => {
      const { username, emails } = input.user as JsonObject
      const logins = new KnownSecrets(secretStrings([username ?? null, emails ?? null, naturalKey.sent]))
      return blotOut(blotOut(text, secrets), logins)
    }

    // By the account as it is now: a changed config must not look for, or create, another user than the accepted one.
    const baseUrl = baseUrlOf(provider, account.config)
    const { unknown } = record.state
    const isOther = hashNaturalKey(await store.hasher(), account.id, naturalKey) !== record.head.naturalKeyHash
    if (isOther || (unknown?.sentTo !== undefined && unknown.sentTo !== baseUrl)) {
      const changed = isOther ? naturalKey.field : 'base_url'
      await finish(changedConfig(changed, unknown !== null))
      return { outcome: 'done' }
    }

    let result: Outcome
    try {
      result = await attemptCreate({
        provider,
        account: accountContext,
        input,
        connection,
        onConflict: record.head.onConflict,
        unknown: record.state.unknown,
        expiresAt: record.state.expiresAt,
        now: clock.now,
        lookUp: (lookUp) =>
          lookUps.get(account.id, lookUp, () => runLookUp({ provider, account: accountContext, connection }, lookUp)),
        recordIntent: async (warnings: Warning[]) => {
          context.throwIfStale()
          record = await store.operations.save(record, recordIntent(record.state, warnings, clock.now(), baseUrl))
          isSent = true
          // The write may have taken long, and the permit was given before it.
          context.throwIfStale()
        },
        withdrawIntent: async () => {
          record = await store.operations.save(record, withdrawIntent(record.state, clock.now()))
          isSent = false
        },
      })
    } catch (error) {
      if (error instanceof StaleVersionError) throw error
      // Of credentials that were replaced meanwhile; a create that was sent is looked up first, as ever.
      if (error instanceof UnreadableError && !mayBeExecuted()) {
        await finish({ outcome: 'interrupted', at: clock.now() })
        throw error
      }
      if (isHandedBack(context, error)) {
        const at = clock.now()
        // Cut off before the create was on its way; or while a call after the create waited for its permit.
        if (!mayBeExecuted()) {
          await finish({ outcome: 'interrupted', at })
          return { outcome: 'interrupted' }
        }
        const failure = {
          code: 'outcome_unknown' as const,
          message: 'The attempt was cut off after its create was sent.',
          origin: 'muster' as const,
        }
        return toJobOutcome(await finish({ ...failure, outcome: 'unknown', at }))
      }
      log.error({ err: error }, 'an attempt ended in an error of our own')
      const failure = {
        code: 'internal' as const,
        message: 'An error inside Muster; see its log.',
        origin: 'muster' as const,
      }
      return toJobOutcome(
        await finish(
          isSent ? { ...failure, outcome: 'unknown', at: clock.now() + 1_000 } : { ...failure, outcome: 'retrying' },
        ),
      )
    }

    if (result.outcome === 'succeeded') {
      moods.answered(account.id)
      refusals.answered(account.id)
      const { stored, warning } = toStoredResult(provider, result, input, accountContext, secrets)
      await finish(
        {
          outcome: 'succeeded',
          how: result.how,
          remoteId: blotOut(result.remoteId, secrets),
          warnings: warning ? [...result.warnings, warning] : result.warnings,
        },
        stored,
      )
      await coolDown(account, null)
      return { outcome: 'done' }
    }

    if (result.outcome === 'failed' || result.outcome === 'held') await coolDown(account, null)
    const throttleMs = result.outcome === 'rate_limited' ? moods.throttled(account.id, result.retryAfterMs) : 0
    const restMs =
      result.outcome === 'retrying' || result.outcome === 'unknown'
        ? Math.max(moods.failed(account.id), result.retryAfterMs ?? 0)
        : 0
    if (result.outcome === 'failed' || result.outcome === 'held') moods.answered(account.id)
    if (result.outcome === 'failed') refusals.answered(account.id)
    if (result.outcome === 'failed' && result.code === 'provider_not_found') lookUps.forget(account.id)

    if (result.outcome === 'held') return settleRefusal(result)

    const now = clock.now()
    const end: Outcome = 'code' in result ? sanitizeFailure(result, secrets) : result
    if (end.outcome === 'rate_limited') end.at = now + throttleMs
    if (end.outcome === 'unknown') end.at = now + (provider.lookUpAfterMs[0] ?? 0)
    const forMs = Math.max(throttleMs, restMs)
    const reason = aboutNoOne('message' in end ? end.message : '')
    const plan = forMs > 0 ? planCooldown(account.cooldown, { forMs, reason }, now) : undefined
    // Before anything is waited for, or other calls would leave meanwhile.
    if (plan) context.coolDown(plan.restMs)
    const state = await finish(end)
    if (!plan) return toJobOutcome(state)
    await coolDown(account, plan.cooldown)
    if (result.outcome === 'rate_limited') return { outcome: 'rate_limited', cooldownMs: plan.restMs }
    const outcome = toJobOutcome(state)
    return outcome.outcome === 'retrying' ? { ...outcome, cooldownMs: plan.restMs } : outcome
  }
}

/** The account as it is now would create another user, or the same one elsewhere, than the operation may have done. */
function changedConfig(field: string, isUnknown: boolean): Failure {
  const cause = `The account's config was changed after the operation was accepted, so that ${field} would be another`
  return isUnknown
    ? {
        outcome: 'failed',
        code: 'outcome_unknown',
        message: `${cause}: an earlier create cannot be looked up.`,
        origin: 'muster',
      }
    : { outcome: 'failed', code: 'validation_failed', message: `${cause}: nothing was sent.`, origin: 'muster' }
}

/** Gives the permit that is there already before it waits for others. */
function firstOf(permit: CallPermit | undefined, context: RunContext): RunContext['waitForPermit'] {
  let first = permit
  return async (signal) => {
    const present = first
    first = undefined
    if (!present) return context.waitForPermit(signal)
    context.throwIfStale()
    return present
  }
}

/** The worker stops, the lane is another's, or it rests: nothing came of it, and the next owner or time decides. */
const isHandedBack = (context: RunContext, error: unknown): boolean =>
  context.signal.aborted || error instanceof CoolingDownError

async function isSettledWithin(work: Promise<unknown>, milliseconds: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), milliseconds)
  })
  const settled = work.then(
    () => true,
    () => true,
  )
  const isSettled = await Promise.race([settled, late])
  clearTimeout(timer)
  return isSettled
}

/** The user was created, whatever its record looks like: a mapping that fails leaves the id and the raw body. */
function toStoredResult(
  provider: Provider,
  result: Extract<Outcome, { outcome: 'succeeded' }>,
  input: CreateInput,
  account: AccountContext,
  secrets: KnownSecrets,
): { stored: StoredResult; warning?: Warning } {
  const { remoteId, body } = result
  const status = result.status === undefined ? {} : { status: result.status }
  const stored = (user: StoredResult['user']): StoredResult =>
    blotOut({ user: { ...user, ...status }, remoteData: body ?? null }, secrets)
  if (body === undefined) return { stored: stored({ id: remoteId }) }
  try {
    return { stored: stored(provider.toUser(body, input, account)) }
  } catch {
    return {
      stored: stored({ id: remoteId }),
      warning: {
        code: 'unreadable',
        pointer: null,
        detail: `${provider.name} answered with a record that could not be mapped: only its id is given.`,
      },
    }
  }
}
