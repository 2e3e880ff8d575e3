import type { JsonObject, JsonValue } from '@muster/contracts/json'
import { maskSecrets } from '@muster/contracts/secrets'
import type { Credentials, CredentialType } from '@muster/contracts/integrated-account'
import type { Warning } from '@muster/contracts/operation'
import { authenticationOf } from './authentication.ts'
import { baseUrlOf } from './base-url.ts'
import type { AccountContext, CreateInput, CreatePlan, LookUp, Provider, RemoteRequest } from '../provider.ts'
import { toUrl } from './remote-request.ts'

export interface PreviewedRequest {
  purpose: string
  method: string
  url: string
  headers: Record<string, string>
  body: JsonValue
}

/** What an attempt would do, answers of look-ups standing as placeholders. */
export function planCreate(
  provider: Provider,
  input: CreateInput,
  account: AccountContext,
): { lookUps: readonly LookUp[]; plan: CreatePlan } {
  const lookUps = provider.lookUps?.(input, account) ?? []
  return {
    lookUps,
    plan: provider.toCreateRequest(
      input,
      account,
      Object.fromEntries(lookUps.map((lookUp) => [lookUp.key, lookUp.placeholder])),
    ),
  }
}

/** What an attempt would send, without sending it: secrets are masked. */
export function previewCreate(
  provider: Provider,
  input: CreateInput,
  account: AccountContext,
): { requests: PreviewedRequest[]; warnings: Warning[] } {
  const authentication = authenticationOf(provider, account.credentialType)
  const { lookUps, plan } = planCreate(provider, input, account)
  const authorization =
    authentication?.kind === 'static'
      ? authentication.toHeaders(maskedCredentials(account.credentialType))
      : { authorization: '<access token>' }
  const preview = (purpose: string, request: RemoteRequest): PreviewedRequest => ({
    purpose,
    method: request.method,
    url: toUrl(baseUrlOf(provider, account.config), {
      path: request.path,
      ...(request.query ? { query: maskSecrets(request.query) } : {}),
    }),
    headers: {
      accept: 'application/json',
      ...(request.body ? { 'content-type': 'application/json' } : {}),
      ...authorization,
      ...request.headers,
    },
    body: request.body ? maskSecrets(request.body as JsonObject) : null,
  })
  return {
    requests: [
      ...lookUps.map((lookUp) => preview('look_up', lookUp.request)),
      preview('create', plan.request),
      ...(provider.toReadRequest ? [preview('read', provider.toReadRequest('<id of the new user>', account))] : []),
    ],
    warnings: plan.warnings,
  }
}

/** In place of static credentials: a dry run must not need the real ones. */
const maskedCredentials = (type: CredentialType): Credentials =>
  type === 'api_key' ? { type, api_key: '<secret>' } : { type: 'api_token', api_token: '<secret>' }
