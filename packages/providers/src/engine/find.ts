import { classifyAnswer, notExecuted, unreadableAnswer } from './classify.ts'
import { isSuccess, type Connection } from './connection.ts'
import {
  RemoteFailureError,
  type AccountContext,
  type CallContext,
  type CreateInput,
  type FoundUser,
  type HolderLookUp,
  type LookUp,
  type Provider,
  type RemoteFailure,
  type RemoteResponse,
} from '../provider.ts'

/** Which user is asked of which provider, and over what. */
export interface CreateContext {
  provider: Provider
  account: AccountContext
  input: CreateInput
  connection: Connection
}

export type Finding =
  | { kind: 'found'; user: FoundUser }
  | { kind: 'absent' }
  | { kind: 'failed'; failure: RemoteFailure; response?: RemoteResponse }

/** By natural key. */
export async function find(context: CreateContext): Promise<Finding> {
  const { provider, account, input } = context
  return findBy(context, {
    toRequest: () => provider.toFindRequest(input, account),
    parse: (response) => provider.parseFound(response, input, account),
  })
}

/** By natural key, then by every other key in which the provider refuses. */
export async function findHolder(context: CreateContext): Promise<Finding> {
  const finding = await find(context)
  if (finding.kind !== 'absent') return finding
  for (const lookUp of context.provider.holderLookUps?.(context.input, context.account) ?? []) {
    const holder = await findBy(context, lookUp)
    // A look-up that the account may not make proves nothing, and does not put it on hold.
    const isPassing = holder.kind === 'failed' && ['retrying', 'rate_limited'].includes(holder.failure.outcome)
    if (holder.kind === 'found' || isPassing) return holder
  }
  return finding
}

async function findBy(context: CreateContext, lookUp: HolderLookUp): Promise<Finding> {
  const { provider, connection } = context
  try {
    const response = await connection.read('find', lookUp.toRequest())
    if (provider.isAbsent?.(response) && (await isOfProvider(context, response))) return { kind: 'absent' }
    if (!isSuccess(response))
      return { kind: 'failed', failure: notExecuted(await classify(context, response, 'find')), response }
    const user = lookUp.parse(response)
    if (user === 'unreadable') throw unreadableAnswer(response)
    return user ? { kind: 'found', user } : { kind: 'absent' }
  } catch (error) {
    if (!(error instanceof RemoteFailureError)) throw error
    const { failure, response } = error
    return { kind: 'failed', failure: notExecuted(failure), ...(response ? { response } : {}) }
  }
}

/** @throws RemoteFailureError */
export async function runLookUp(
  { provider, account, connection }: Omit<CreateContext, 'input'>,
  lookUp: LookUp,
): Promise<unknown> {
  const response = await connection.read('look_up', lookUp.request)
  if (isSuccess(response) || provider.isAbsent?.(response)) return lookUp.parse(response)
  const failure = classifyAnswer(provider, response, undefined, { purpose: 'look_up', account })
  throw new RemoteFailureError(failure, response)
}

export async function classify(
  context: CreateContext,
  response: RemoteResponse,
  purpose: CallContext['purpose'],
): Promise<RemoteFailure> {
  const { provider, account, input } = context
  const isBelieved = await isOfProvider(context, response).catch((error: unknown) => {
    if (error instanceof RemoteFailureError) return false
    throw error
  })
  return isBelieved
    ? provider.classifyFailure(response, input, { purpose, account })
    : classifyAnswer(provider, response, input, { purpose, account })
}

/**
 * An answer in the provider's own form is the provider's. So is a bare 404 of one that sends such, while it answers a
 * call without effect: a proxy that has lost its way to the provider says the same to both.
 */
async function isOfProvider(
  { provider, account, connection }: CreateContext,
  response: RemoteResponse,
): Promise<boolean> {
  if (provider.isOwnAnswer(response)) return true
  if (response.status !== 404 || !provider.sendsBareNotFound) return false
  return isSuccess(await connection.read('check', provider.toCheckRequest(account)))
}
