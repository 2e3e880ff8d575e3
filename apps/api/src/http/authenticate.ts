import type { Scope } from '@muster/contracts/api-key'
import { isTestKey, type ApiKeyRecord, type Tenants } from '@muster/store/tenants/tenants'
import type { Caller } from './own-records.ts'
import { RequestError } from './request-error.ts'

const CHALLENGE = { 'www-authenticate': 'Bearer realm="muster"' }

export const revoked = (): RequestError =>
  new RequestError('unauthorized', 'The API key was revoked.', { headers: CHALLENGE })

/** 401 and 403 are only about the caller's own key. */
export async function authenticate(
  tenants: Pick<Tenants, 'findApiKey'>,
  header: string | undefined,
  scope: Scope,
): Promise<ApiKeyRecord> {
  const [, apiKey] = /^Bearer\s+(mk_(?:live|test)_[0-9A-Za-z]{32})\s*$/i.exec(header ?? '') ?? []
  const record = apiKey === undefined ? undefined : await tenants.findApiKey(apiKey)
  if (!record) {
    const detail = header === undefined ? 'Send an API key: Authorization: Bearer mk_…' : 'The API key is not valid.'
    throw new RequestError('unauthorized', detail, { headers: CHALLENGE })
  }
  if (!record.scopes.includes(scope))
    throw new RequestError('forbidden', `The API key lacks the scope ${scope}.`, {
      extensions: { required_scope: scope },
    })
  return record
}

export const toCaller = (key: ApiKeyRecord): Caller => ({ tenantId: key.tenantId, isTest: isTestKey(key) })
