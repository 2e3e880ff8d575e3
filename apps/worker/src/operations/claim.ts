import type { Credentials } from '@muster/contracts/integrated-account'
import type { JsonObject } from '@muster/contracts/json'
import { jobIdOf, operationIdOf, type CreateInput, type OperationRecord } from '@muster/domain/operation/record'
import {
  cancel,
  dueAt,
  expire,
  holdUnreadable,
  isExpired,
  isFinished,
  recoverFromCrash,
} from '@muster/domain/operation/state'
import type { JobOutcome } from '@muster/domain/outcome'
import type { AccountRecord } from '@muster/domain/account/record'
import { UnreadableError } from '@muster/store/crypto/unreadable'
import type { Run } from './run.ts'

/** Timers fire a little early and clocks differ a little; not worth a round through the queue. */
const EARLY_MS = 10

/** All that an attempt needs, read before it begins: what does not open must not look like a crash. */
export interface Claim {
  record: OperationRecord
  account: AccountRecord
  input: CreateInput
  /** Of the request, kept apart from it. */
  inputSecrets: JsonObject
  credentials: Credentials
}

type ClaimRun = Pick<Run, 'store' | 'clock' | 'metrics' | 'log' | 'onEvent' | 'onBatch'>

/** Whether the operation may run now: with what it needs, or what becomes of its job instead. */
export async function claim(run: ClaimRun, accountId: string, jobId: string): Promise<Claim | JobOutcome> {
  const read = await run.store.operations.read(accountId, operationIdOf(jobId))
  if (!read || jobIdOf(read.head.id, read.state.run) !== jobId) return { outcome: 'done' }
  const record = read.state.status === 'running' ? await recover(run, read) : read
  if (isFinished(record.state)) return { outcome: 'done' }
  const early = (await heedHold(run, record)) ?? (await checkTime(run, record))
  if (early) return early
  const account = await run.store.accounts.read(accountId)
  if (!account || account.status !== 'active') return { outcome: 'held' }
  return { record, account, ...(await openSealed(run, record)) }
}

/** Its worker died. An operation that kills worker after worker ends here. */
async function recover(run: ClaimRun, record: OperationRecord): Promise<OperationRecord> {
  const { store, clock, log } = run
  const recovered = await store.operations.save(record, recoverFromCrash(record.state, clock.now()))
  const { crashes, status } = recovered.state
  log.warn({ crashes, status }, 'a worker died while it ran the operation')
  if (isFinished(recovered.state)) reportEnd(run, recovered)
  return recovered
}

/**
 * Of a batch on hold, the job goes back to where the lane was given it from; of one that is being canceled, the row
 * ends here, unless something may have been sent.
 */
async function heedHold(run: ClaimRun, record: OperationRecord): Promise<JobOutcome | undefined> {
  const { store, clock } = run
  const { accountId, batchId } = record.head
  if (batchId === null) return undefined
  const hold = await store.batches.readHold(accountId, batchId)
  if (hold === 'paused') {
    await store.operations.park(record, clock.now())
    return { outcome: 'done' }
  }
  if (hold === null || record.state.unknown !== null) return undefined
  await store.operations.save(record, cancel(record.state, clock.now()))
  run.onEvent({ kind: 'account', id: accountId })
  run.onBatch(batchId)
  return { outcome: 'done' }
}

async function checkTime(run: ClaimRun, record: OperationRecord): Promise<JobOutcome | undefined> {
  const { store, clock } = run
  const due = dueAt(record.state)
  if (due > clock.now() + EARLY_MS) return { outcome: 'retrying', at: clock.toLocal(due) }
  if (!isExpired(record.state, clock.now())) return undefined
  reportEnd(run, await store.operations.save(record, expire(record.state, clock.now())))
  return { outcome: 'done' }
}

function reportEnd({ metrics, onEvent, onBatch }: ClaimRun, { head, state }: OperationRecord): void {
  onEvent({ kind: 'account', id: head.accountId })
  if (head.batchId !== null) onBatch(head.batchId)
  metrics.finished.inc({ provider: head.provider, status: state.status, error_code: state.error?.code ?? '' })
}

/** The request and the credentials. @throws UnreadableError after the record says so */
async function openSealed(
  { store, clock }: ClaimRun,
  record: OperationRecord,
): Promise<Pick<Claim, 'input' | 'inputSecrets' | 'credentials'>> {
  const { accountId, id } = record.head
  try {
    const opened = await store.operations.readRequest(accountId, id)
    if (!opened) throw new UnreadableError(`operation:${id}:request`, 'it is not in Redis any more')
    const credentials = await store.accounts.readCredentials(accountId)
    if (!credentials) throw new UnreadableError(`account:${accountId}:credentials`, 'they are not in Redis any more')
    return { input: opened.request, inputSecrets: opened.secrets, credentials }
  } catch (error) {
    if (error instanceof UnreadableError && record.state.statusReason !== error.message)
      await store.operations.save(record, holdUnreadable(record.state, error.message, clock.now()))
    throw error
  }
}
