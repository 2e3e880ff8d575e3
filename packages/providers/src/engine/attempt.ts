import type { Warning } from '@muster/contracts/operation'
import { classifyAnswer, unreadableAnswer } from './classify.ts'
import type { Connection } from './connection.ts'
import { isSuccess } from './connection.ts'
import {
  RemoteFailureError,
  UnresolvedInputError,
  type AccountContext,
  type CallContext,
  type CreatedUser,
  type CreateInput,
  type CreatePlan,
  type FoundUser,
  type HolderLookUp,
  type LookUp,
  type Provider,
  type RemoteFailure,
  type RemoteResponse,
} from '../provider.ts'
import { judgeOwnership } from './same-user.ts'

/**
 * Creates of this operation that may have reached the provider without an answer. Unix milliseconds by the clock that
 * all workers share.
 */
export interface UnknownOutcome {
  /** The intent of the first: who was created since may be ours. */
  firstSentAt: number
  /** When the last was given up: until then it may have been executed. */
  lastSentAt: number
}

export type AttemptResult =
  /** `status` is the unified one, where the answer told it otherwise than in the body. */
  | {
      kind: 'succeeded'
      outcome: 'created' | 'adopted'
      remoteId: string
      body: unknown
      status?: string
      warnings: Warning[]
    }
  /** Final. `remoteId` names the user that stands in the way, where the look-up found one. */
  | { kind: 'failed'; failure: RemoteFailure; response?: RemoteResponse; remoteId?: string; warnings: Warning[] }
  /** Nothing was created and the lane must wait; uses up no attempt. */
  | { kind: 'throttled'; failure: RemoteFailure }
  /** Nothing was created, and nothing of this account will be until somebody acts. */
  | { kind: 'hold'; status: 'needs_reauth' | 'permission_denied'; failure: RemoteFailure }
  /** Nothing was created by this attempt; worth another. */
  | { kind: 'retry'; failure: RemoteFailure }
  /** The create may have happened. */
  | { kind: 'unknown'; failure: RemoteFailure }
  /** The look-up found nothing, but the provider's settling time is not over. */
  | { kind: 'reconcile_later'; at: number }
  /** It was looked up, does not exist, and its time is over. */
  | { kind: 'expired' }

export interface AttemptOptions {
  provider: Provider
  account: AccountContext
  input: CreateInput
  connection: Connection
  onConflict: 'fail' | 'adopt'
  unknown: UnknownOutcome | null
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
  /** Unix milliseconds by the clock that all workers share, and by which `unknown` and `expiresAt` were written. */
  now?(): number
}

/** Its time was over when its permit came. */
class ExpiredError extends Error {
  override readonly name = 'ExpiredError'
}

/**
 * One run of an operation against the provider: look first where a create may have happened, then create at most once.
 */
export async function attemptCreate(options: AttemptOptions): Promise<AttemptResult> {
  const { provider, account, input, connection, unknown, now = Date.now } = options
  if (unknown) {
    const judged = await reconcile(options, unknown)
    if (judged) return judged
  }
  if (now() >= options.expiresAt) return { kind: 'expired' }

  let plan: CreatePlan
  try {
    const found: Record<string, unknown> = {}
    for (const lookUp of provider.lookUps?.(input, account) ?? []) found[lookUp.key] = await options.lookUp(lookUp)
    plan = provider.toCreateRequest(input, account, found)
  } catch (error) {
    if (error instanceof UnresolvedInputError) {
      return {
        kind: 'failed',
        failure: {
          code: 'provider_not_found',
          disposition: 'rejected',
          message: error.message,
          pointer: error.pointer,
        },
        warnings: [],
      }
    }
    // Nothing of this attempt was a create, so nothing is unknown.
    if (error instanceof RemoteFailureError) return toResult(withoutDoubt(error.failure), error.response)
    throw error
  }

  let response: RemoteResponse
  try {
    response = await connection.write('create', plan.request, {
      async begin() {
        if (now() >= options.expiresAt) throw new ExpiredError()
        await options.recordIntent(plan.warnings)
      },
      takeBack: () => options.withdrawIntent(),
    })
  } catch (error) {
    if (error instanceof ExpiredError) return { kind: 'expired' }
    if (error instanceof RemoteFailureError) return toResult(error.failure, error.response)
    throw error
  }
  const created = isSuccess(response) ? provider.parseCreated(response, input) : undefined
  if (created) return finish(options, created, plan.warnings)
  const failure = await classify(options, response, 'create')
  if (failure.code === 'user_exists') return existing(options, failure, response, plan.warnings)
  return toResult(failure, response, plan.warnings)
}

async function finish(
  { provider, account, connection }: AttemptOptions,
  created: CreatedUser,
  warnings: Warning[],
): Promise<AttemptResult> {
  const { remoteId, status } = created
  const succeeded = (body: unknown, added: Warning[] = []): AttemptResult => ({
    kind: 'succeeded',
    outcome: 'created',
    remoteId,
    body,
    ...(status === undefined ? {} : { status }),
    warnings: [...warnings, ...added],
  })
  if (created.body !== undefined || !provider.toReadRequest) return succeeded(created.body)
  // The user exists from here on: whatever the read does, the create is not repeated.
  const unread: Warning = {
    code: 'read_failed',
    pointer: null,
    detail: `The user was created, but ${provider.name} did not let it be read: only the id is known.`,
  }
  try {
    const response = await connection.read('read', provider.toReadRequest(remoteId, account))
    const body = !isSuccess(response) ? undefined : provider.parseRead ? provider.parseRead(response) : response.body
    return body === undefined ? succeeded(undefined, [unread]) : succeeded(body)
  } catch {
    // Any error, the abort of a worker that stops included: thrown on, it would hand the operation back as if nothing
    //   had been sent.
    return succeeded(undefined, [unread])
  }
}

type Finding =
  | { kind: 'found'; user: FoundUser }
  | { kind: 'absent' }
  | { kind: 'failed'; failure: RemoteFailure; response?: RemoteResponse }

async function find(options: AttemptOptions): Promise<Finding> {
  const { provider, account, input } = options
  return lookFor(options, {
    toRequest: () => provider.toFindRequest(input, account),
    parse: (response) => provider.parseFound(response, input, account),
  })
}

/** By natural key, then by every other key in which the provider refuses. */
async function findHolder(options: AttemptOptions): Promise<Finding> {
  const finding = await find(options)
  if (finding.kind !== 'absent') return finding
  for (const lookUp of options.provider.holderLookUps?.(options.input, options.account) ?? []) {
    const holder = await lookFor(options, lookUp)
    // One that the account may not ask for tells nothing, and is no reason to put it on hold.
    const isPassing = holder.kind === 'failed' && ['unavailable', 'throttled'].includes(holder.failure.disposition)
    if (holder.kind === 'found' || isPassing) return holder
  }
  return finding
}

async function lookFor(options: AttemptOptions, lookUp: HolderLookUp): Promise<Finding> {
  const { provider, connection } = options
  try {
    const response = await connection.read('find', lookUp.toRequest())
    if (provider.isAbsent(response) && (await isOfProvider(options, response))) return { kind: 'absent' }
    if (!isSuccess(response))
      return { kind: 'failed', failure: withoutDoubt(await classify(options, response, 'find')), response }
    const user = lookUp.parse(response)
    if (user === 'unreadable') throw unreadableAnswer(response)
    return user ? { kind: 'found', user } : { kind: 'absent' }
  } catch (error) {
    if (error instanceof RemoteFailureError)
      return {
        kind: 'failed',
        failure: withoutDoubt(error.failure),
        ...(error.response ? { response: error.response } : {}),
      }
    throw error
  }
}

/**
 * An answer in the provider's own form is the provider's. So is a bare 404 of one that sends such, while it answers a
 * call without effect: a proxy that has lost its way to the provider says the same to both.
 */
async function isOfProvider(
  { provider, account, connection }: AttemptOptions,
  response: RemoteResponse,
): Promise<boolean> {
  if (provider.isOwnAnswer(response)) return true
  if (response.status !== 404 || !provider.sendsBareNotFound) return false
  return isSuccess(await connection.read('check', provider.toCheckRequest(account)))
}

async function classify(
  options: AttemptOptions,
  response: RemoteResponse,
  purpose: CallContext['purpose'],
): Promise<RemoteFailure> {
  const { provider, account, input } = options
  const isBelieved = await isOfProvider(options, response).catch((error: unknown) => {
    if (error instanceof RemoteFailureError) return false
    throw error
  })
  return isBelieved
    ? provider.classifyFailure(response, input, { purpose, account })
    : classifyAnswer(provider, response, input, { purpose, account })
}

/**
 * After an unknown outcome. Undefined: the user does not exist and will not turn up any more, so the create may be sent
 * again.
 */
async function reconcile(options: AttemptOptions, unknown: UnknownOutcome): Promise<AttemptResult | undefined> {
  const finding = await find(options)
  if (finding.kind === 'failed') {
    if (finding.failure.disposition !== 'rejected') return toResult(finding.failure, finding.response)
    const message = `The create may have happened, and the look-up that would tell is refused: ${finding.failure.message}`
    return {
      kind: 'failed',
      failure: { ...finding.failure, code: 'outcome_unknown', message },
      ...(finding.response ? { response: finding.response } : {}),
      warnings: [],
    }
  }
  if (finding.kind === 'found') return judge(options, finding.user, unknown)
  const elapsed = (options.now ?? Date.now)() - unknown.lastSentAt
  const next = options.provider.lookUpAfterMs.find((delay) => delay > elapsed)
  return next === undefined ? undefined : { kind: 'reconcile_later', at: unknown.lastSentAt + next }
}

function judge(options: AttemptOptions, found: FoundUser, unknown: UnknownOutcome): AttemptResult {
  const { provider, account, input, connection } = options
  const owner = found.isOther
    ? 'theirs'
    : judgeOwnership(
        input,
        provider.toUser(found.body, input, account),
        found.createdAt,
        unknown.firstSentAt,
        connection.clockOffsetMs(),
      )
  if (owner === 'ours')
    return { kind: 'succeeded', outcome: 'created', remoteId: found.remoteId, body: found.body, warnings: [] }
  if (owner === 'unclear') {
    const detail = `The answer to the create was lost. The look-up found this user, with the same names; ${provider.name} does not tell when it was created.`
    return {
      kind: 'succeeded',
      outcome: 'adopted',
      remoteId: found.remoteId,
      body: found.body,
      warnings: [{ code: 'ownership_unclear', pointer: null, detail }],
    }
  }
  return conflict(options, found, {
    code: 'user_exists',
    disposition: 'rejected',
    message: found.isOther
      ? 'This login, or another key that must be unique, belongs to another user.'
      : 'A user with this login was there before.',
  })
}

/** The provider says that the user is there already. */
async function existing(
  options: AttemptOptions,
  failure: RemoteFailure,
  response: RemoteResponse,
  warnings: Warning[],
): Promise<AttemptResult> {
  const finding = await findHolder(options)
  if (finding.kind === 'found') {
    const result = options.unknown
      ? judge(options, finding.user, options.unknown)
      : conflict(options, finding.user, failure, response)
    return 'warnings' in result ? { ...result, warnings: [...warnings, ...result.warnings] } : result
  }
  // Whether the user is there, is ours, or is to be adopted, only the look-up can tell: worth another attempt, since a
  // create is refused again for as long as the login is taken.
  if (finding.kind === 'failed' && finding.failure.disposition !== 'rejected')
    return toResult(finding.failure, finding.response)
  if (options.unknown) {
    const message = `An earlier create may have happened, and the look-up does not show who has the login: ${failure.message}`
    return { kind: 'failed', failure: { ...failure, code: 'outcome_unknown', message }, response, warnings }
  }
  // Taken by somebody whom this account cannot see (Salesforce and Files.com names are global), or the look-up is
  // refused: the refusal stands.
  const unseen = options.onConflict === 'adopt' ? ' It could not be adopted, since the look-up does not show it.' : ''
  return { kind: 'failed', failure: { ...failure, message: failure.message + unseen }, response, warnings }
}

function conflict(
  options: AttemptOptions,
  found: FoundUser,
  failure: RemoteFailure,
  response?: RemoteResponse,
): AttemptResult {
  if (options.onConflict === 'adopt' && !found.isOther)
    return { kind: 'succeeded', outcome: 'adopted', remoteId: found.remoteId, body: found.body, warnings: [] }
  // Adoption was asked for, of the user with this login and no one else.
  const notAdopted = options.onConflict === 'adopt' ? ' That is another user, so it was not adopted.' : ''
  return {
    kind: 'failed',
    failure: { ...failure, message: failure.message + notAdopted },
    remoteId: found.remoteId,
    ...(response ? { response } : {}),
    warnings: [],
  }
}

/** A call without effect cannot have an unknown outcome. */
function withoutDoubt(failure: RemoteFailure): RemoteFailure {
  return failure.disposition === 'unknown' ? { ...failure, disposition: 'unavailable' } : failure
}

function toResult(failure: RemoteFailure, response?: RemoteResponse, warnings: Warning[] = []): AttemptResult {
  switch (failure.disposition) {
    case 'throttled':
      return { kind: 'throttled', failure }
    case 'unauthorized':
      return { kind: 'hold', status: 'needs_reauth', failure }
    case 'forbidden':
      return { kind: 'hold', status: 'permission_denied', failure }
    case 'unavailable':
      return { kind: 'retry', failure }
    case 'unknown':
      return { kind: 'unknown', failure }
    case 'rejected':
      return { kind: 'failed', failure, ...(response ? { response } : {}), warnings }
  }
}
