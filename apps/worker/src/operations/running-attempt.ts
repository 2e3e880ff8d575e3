import type { CallPermit } from '@muster/contracts/http-client'
import type { RemoteCall, Warning } from '@muster/contracts/operation'
import type { StoredResult } from '@muster/contracts/response-format'
import type { OperationRecord, OperationState } from '@muster/domain/operation/record'
import {
  finishAttempt,
  isFinished,
  recordIntent,
  startAttempt,
  suspendAttempt,
  withdrawIntent,
} from '@muster/domain/operation/state'
import type { Outcome } from '@muster/domain/outcome'
import { SOON_MS, type Run } from './run.ts'

/**
 * One attempt under way, and every write of it. Each write names the version before it, so a stale worker is refused.
 */
export class RunningAttempt {
  readonly #run: Run
  readonly #calls: RemoteCall[] = []
  #record: OperationRecord
  #isIntended = false

  private constructor(run: Run, record: OperationRecord) {
    this.#run = run
    this.#record = record
  }

  static async start(run: Run, waiting: OperationRecord): Promise<RunningAttempt> {
    const { store, clock, metrics } = run
    const { head, state } = waiting
    const record = await store.operations.save(waiting, startAttempt(state, clock.now()))
    if (state.startedAt === null) {
      const waitedMs = clock.now() - Math.max(head.createdAt, state.notBefore ?? 0)
      metrics.wait.observe({ provider: head.provider }, waitedMs / 1000)
    }
    return new RunningAttempt(run, record)
  }

  get record(): OperationRecord {
    return this.#record
  }

  /** The create left, or may have. */
  get mayBeExecuted(): boolean {
    return this.#isIntended && this.#calls.some((call) => call.purpose === 'create')
  }

  get isIntended(): boolean {
    return this.#isIntended
  }

  noteCall(call: RemoteCall): void {
    this.#calls.push(call)
    const answered = call.status === null ? 'none' : `${Math.floor(call.status / 100)}xx`
    const labels = { provider: this.#record.head.provider, purpose: call.purpose, class: answered }
    this.#run.metrics.calls.observe(labels, call.duration_ms / 1000)
  }

  /** Before the create is sent, a wait that is long counts as waiting, not as running. */
  async waitForPermit(signal?: AbortSignal): Promise<CallPermit> {
    const permit = this.#run.context.waitForPermit(signal)
    if (this.#isIntended || (await isSettledWithin(permit, SOON_MS))) return permit
    try {
      await this.#save(suspendAttempt(this.#record.state, this.#now()))
      await permit.catch(() => undefined)
      await this.#save(startAttempt(this.#record.state, this.#now()))
    } catch (error) {
      // Canceled meanwhile, say: no one else would give the permit back.
      void permit.then(
        (given) => given.unused(),
        () => undefined,
      )
      throw error
    }
    return permit
  }

  async recordIntent(warnings: Warning[], baseUrl: string): Promise<void> {
    this.#run.context.throwIfStale()
    await this.#save(recordIntent(this.#record.state, warnings, this.#now(), baseUrl))
    this.#isIntended = true
    // The write may have taken long, and the permit was given before it.
    this.#run.context.throwIfStale()
  }

  async withdrawIntent(): Promise<void> {
    await this.#save(withdrawIntent(this.#record.state, this.#now()))
    this.#isIntended = false
  }

  async finish(end: Outcome, result?: StoredResult): Promise<OperationState> {
    const { policy, onEvent, onBatch } = this.#run
    await this.#save(finishAttempt(this.#record.state, end, this.#calls, policy, this.#now()), result)
    const { head, state } = this.#record
    onEvent({ kind: 'account', id: head.accountId })
    if (head.batchId !== null) onBatch(head.batchId)
    this.#report(end)
    return state
  }

  #report(end: Outcome): void {
    const { metrics } = this.#run
    const { head, state } = this.#record
    metrics.attempts.inc({ provider: head.provider, outcome: end.outcome })
    if (isFinished(state))
      metrics.finished.inc({ provider: head.provider, status: state.status, error_code: state.error?.code ?? '' })
    this.#run.log.info(
      {
        provider: head.provider,
        request_id: head.requestId,
        attempt: state.attemptCount,
        outcome: end.outcome,
        status: state.status,
        error_code: state.error?.code ?? ('code' in end ? end.code : undefined),
      },
      'attempt ended',
    )
  }

  async #save(state: OperationState, result?: StoredResult): Promise<void> {
    this.#record = await this.#run.store.operations.save(this.#record, state, result)
  }

  #now(): number {
    return this.#run.clock.now()
  }
}

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
