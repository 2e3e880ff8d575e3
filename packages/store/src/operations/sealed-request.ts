import { mergeJson, type JsonObject } from '@muster/contracts/json'
import { splitSecrets } from '@muster/contracts/secrets'
import type { UnifiedUserInput } from '@muster/contracts/unified-user'
import type { CreateInput } from '@muster/domain/operation/record'
import { bindings } from '../crypto/bindings.ts'
import type { Keyring } from '../crypto/keyring.ts'

interface Secrets {
  user: JsonObject
  remoteQuery: JsonObject
}

/** Secrets are sealed apart from the request, so that they can be erased alone. `''` where there are none. */
export function sealRequest(
  keyring: Keyring,
  operationId: string,
  request: CreateInput,
  packFrom?: number,
): { request: Buffer; secrets: Buffer | '' } {
  const user = splitSecrets(request.user as JsonObject)
  const remoteQuery = splitSecrets(request.remoteQuery)
  const secrets: Secrets = { user: user.secrets, remoteQuery: remoteQuery.secrets }
  const hasSecrets = Object.keys(user.secrets).length + Object.keys(remoteQuery.secrets).length > 0
  const kept = { ...request, user: user.kept, remoteQuery: remoteQuery.kept }
  return {
    request: keyring.seal(kept, bindings.operation.request(operationId), packFrom),
    secrets: hasSecrets ? keyring.seal(secrets, bindings.operation.secrets(operationId), packFrom) : '',
  }
}

/** The whole request, its secrets put back where they have not been erased. @throws UnreadableError */
export function openRequest(
  keyring: Keyring,
  operationId: string,
  { request, secrets, hadSecrets }: { request: Buffer; secrets: Buffer | null; hadSecrets: boolean },
): { request: CreateInput; areSecretsErased: boolean; secrets: JsonObject } {
  const kept = keyring.open(request, bindings.operation.request(operationId)) as CreateInput
  if (!secrets || secrets.length === 0) return { request: kept, areSecretsErased: hadSecrets, secrets: {} }
  const opened = keyring.open(secrets, bindings.operation.secrets(operationId)) as Secrets
  return {
    request: {
      ...kept,
      user: mergeJson(kept.user as JsonObject, opened.user) as UnifiedUserInput,
      remoteQuery: mergeJson(kept.remoteQuery, opened.remoteQuery),
    },
    areSecretsErased: false,
    secrets: { ...opened },
  }
}

export const sealCallback = (keyring: Keyring, operationId: string, callbackUrl: string | undefined): Buffer | '' =>
  callbackUrl === undefined ? '' : keyring.seal(callbackUrl, bindings.operation.callback(operationId))
