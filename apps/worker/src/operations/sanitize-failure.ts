import type { KnownSecrets } from '@muster/contracts/known-secrets'
import { blotOut, providerIdOf } from '@muster/contracts/secrets'
import type { Failure } from '@muster/domain/outcome'

const MAX_MESSAGE = 1_000
/** Kept of a provider's error answer, in characters of JSON. */
const MAX_RAW = 4_000

/** The provider's words are hostile input: bounded, and without what was sent in confidence. */
export function sanitizeFailure({ response, remoteId: found, ...failure }: Failure, secrets: KnownSecrets): Failure {
  const remoteId = providerIdOf(found, secrets)
  return {
    ...failure,
    message: blotOut(failure.message, secrets).slice(0, MAX_MESSAGE),
    ...(response ? { response: { status: response.status, body: bounded(blotOut(response.body, secrets)) } } : {}),
    ...(remoteId === undefined ? {} : { remoteId }),
  }
}

function bounded(body: unknown): unknown {
  const text = JSON.stringify(body ?? null)
  return text.length > MAX_RAW ? `${text.slice(0, MAX_RAW)}…` : body
}
