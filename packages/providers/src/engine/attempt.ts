import type { Warning } from '@muster/contracts/operation'
import type { Failure, Outcome } from '@muster/domain/outcome'
import { isSuccess } from './connection.ts'
import { notExecuted } from './classify.ts'
import { classify } from './find.ts'
import { findExisting, reconcile, toFailure, type ReconcileOptions } from './reconcile.ts'
import {
  RemoteFailureError,
  UnresolvedInputError,
  type CreatedUser,
  type CreatePlan,
  type LookUp,
  type RemoteResponse,
} from '../provider.ts'

export interface AttemptOptions extends ReconcileOptions {
  /** Unix milliseconds; no create is sent later, but what may have been created is still looked up. */
  expiresAt: number
  /** Answers of look-ups, kept per account. */
  lookUp(lookUp: LookUp): Promise<unknown>
  /**
   * Writes down that a create is about to be sent; its permit is there already, so that waiting for one never counts as
   * sent. Must have been saved when it resolves; a rejection stops the attempt unsent.
   */
  recordIntent(warnings: Warning[]): Promise<void>
  /** The create was refused without being executed, and waits for a permit to be sent once more. */
  withdrawIntent(): Promise<void>
}

/** Its time was over when its permit came. */
class ExpiredError extends Error {
  override readonly name = 'ExpiredError'
}

/**
 * One run of an operation against the provider: look first where a create may have happened, then create at most once.
 */
export async function attemptCreate(options: AttemptOptions): Promise<Outcome> {
  const reconciled = options.unknown ? await reconcile(options, options.unknown) : undefined
  if (reconciled) return reconciled
  if (isOver(options)) return { outcome: 'expired' }
  const plan = await planCreate(options)
  if ('outcome' in plan) return plan
  const response = await sendCreate(options, plan)
  if ('outcome' in response) return response
  return withWarnings(await readAnswer(options, response), plan.warnings)
}

const isOver = ({ now = Date.now, expiresAt }: AttemptOptions): boolean => now() >= expiresAt

/** The request, with every name in it resolved. */
async function planCreate({ provider, input, account, lookUp }: AttemptOptions): Promise<CreatePlan | Failure> {
  try {
    const found: Record<string, unknown> = {}
    for (const each of provider.lookUps?.(input, account) ?? []) found[each.key] = await lookUp(each)
    return provider.toCreateRequest(input, account, found)
  } catch (error) {
    if (error instanceof UnresolvedInputError) {
      const { message, pointer } = error
      return { outcome: 'failed', code: 'provider_not_found', message, pointer }
    }
    if (error instanceof RemoteFailureError) return toFailure(notExecuted(error.failure), error.response)
    throw error
  }
}

async function sendCreate(options: AttemptOptions, plan: CreatePlan): Promise<RemoteResponse | Outcome> {
  try {
    return await options.connection.write('create', plan.request, {
      async begin() {
        if (isOver(options)) throw new ExpiredError()
        await options.recordIntent(plan.warnings)
      },
      takeBack: () => options.withdrawIntent(),
    })
  } catch (error) {
    if (error instanceof ExpiredError) return { outcome: 'expired' }
    if (error instanceof RemoteFailureError) return toFailure(error.failure, error.response)
    throw error
  }
}

async function readAnswer(options: AttemptOptions, response: RemoteResponse): Promise<Outcome> {
  const created = isSuccess(response) ? options.provider.parseCreated(response, options.input) : undefined
  if (created) return readCreated(options, created)
  const failure = await classify(options, response, 'create')
  return failure.code === 'user_exists' ? findExisting(options, failure, response) : toFailure(failure, response)
}

/** The user exists from here on: whatever the read of its record does, the create is not repeated. */
async function readCreated(
  { provider, account, connection }: AttemptOptions,
  { remoteId, status, body }: CreatedUser,
): Promise<Outcome> {
  const succeeded = {
    outcome: 'succeeded',
    how: 'created',
    remoteId,
    ...(status === undefined ? {} : { status }),
  } as const
  if (body !== undefined || !provider.toReadRequest) return { ...succeeded, body, warnings: [] }
  let record: unknown
  try {
    const response = await connection.read('read', provider.toReadRequest(remoteId, account))
    if (isSuccess(response)) record = provider.parseRead ? provider.parseRead(response) : response.body
  } catch {
    // Any error, the abort of a worker that stops included: thrown on, it would hand the operation back as if nothing
    // had been sent.
  }
  const unread: Warning = {
    code: 'read_failed',
    pointer: null,
    detail: `The user was created, but ${provider.name} did not let it be read: only the id is known.`,
  }
  return { ...succeeded, body: record, warnings: record === undefined ? [unread] : [] }
}

const withWarnings = (outcome: Outcome, warnings: Warning[]): Outcome =>
  outcome.outcome === 'succeeded' || outcome.outcome === 'failed'
    ? { ...outcome, warnings: [...warnings, ...(outcome.warnings ?? [])] }
    : outcome
