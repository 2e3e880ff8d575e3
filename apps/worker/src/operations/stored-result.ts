import type { KnownSecrets } from '@muster/contracts/known-secrets'
import type { Warning } from '@muster/contracts/operation'
import type { StoredResult } from '@muster/contracts/response-format'
import { blotOut } from '@muster/contracts/secrets'
import type { Succeeded } from '@muster/domain/outcome'
import type { CreateContext } from '@muster/providers/engine/find'

/** The user was created, whatever its record looks like: a mapping that fails leaves the id and the raw body. */
export function toStoredResult(
  { provider, input, account }: CreateContext,
  { remoteId, body, status }: Succeeded,
  secrets: KnownSecrets,
): { result: StoredResult; warnings: Warning[] } {
  const stored = (user: StoredResult['user']): StoredResult =>
    blotOut({ user: { ...user, ...(status === undefined ? {} : { status }) }, remoteData: body ?? null }, secrets)
  if (body === undefined) return { result: stored({ id: remoteId }), warnings: [] }
  try {
    return { result: stored(provider.toUser(body, input, account)), warnings: [] }
  } catch {
    const detail = `${provider.name} answered with a record that could not be mapped: only its id is given.`
    return { result: stored({ id: remoteId }), warnings: [{ code: 'unreadable', pointer: null, detail }] }
  }
}
