import { classifyAnswer } from './classify.ts'
import { isSuccess, type Connection } from './connection.ts'
import { RemoteFailureError, type AccountContext, type Provider, type RemoteFailure } from '../provider.ts'

/** One harmless call with the account's credentials. Undefined: the provider accepts them. */
export async function checkCredentials(
  provider: Provider,
  account: AccountContext,
  connection: Connection,
): Promise<RemoteFailure | undefined> {
  try {
    const response = await connection.read('check', provider.toCheckRequest(account))
    if (isSuccess(response)) return undefined
    return classifyAnswer(provider, response, undefined, { purpose: 'check', account })
  } catch (error) {
    if (error instanceof RemoteFailureError) return error.failure
    throw error
  }
}
