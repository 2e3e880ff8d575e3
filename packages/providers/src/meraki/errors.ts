import { z } from 'zod'
import { classifyByStatus, RETRYING } from '../engine/classify.ts'
import { primaryEmailPointer } from '../mapping/emails.ts'
import { toPlainText } from '../mapping/plain-text.ts'
import type { CallContext, CreateInput, RemoteFailure, RemoteResponse } from '../provider.ts'
import { isPlaceOfAccount, userTypeOf } from './request.ts'

/** The only shape that the vendor documents: a list of sentences, without a code. */
const errorSchema = z.looseObject({ errors: z.array(z.string()).min(1) })

/** What the vendor's SDK waits when action batches are in the way. */
const BATCH_WAIT_MS = 60_000

/** Temporary failures, by their words: Meraki has no codes. With the wait of the vendor's SDK, where it has one. */
const passingWords: readonly (readonly [words: RegExp, waitMs?: number])[] = [
  [/executing batches/i, BATCH_WAIT_MS],
  [/concurrent requests/i, BATCH_WAIT_MS],
  // "cannot be processed by Meraki": the vendor's Errors page.
  [/cannot be processed|\btry (?:again )?(?:later|in an?|shortly)\b|\btemporarily\b|\btimed? ?out\b/i],
]

/** The exact sentence is not documented; these are the ways in which Meraki says it elsewhere. */
const duplicate = /already been taken|already exists|already in use/i

/** Attributes as messages name them, and the unified field each is made from. The first that fits wins. */
const attributes: [RegExp, string][] = [
  [/\b(orgAccess|access|networks?|tags?)\b/i, '/roles'],
  [/\bpassword\b/i, '/remote_data/password'],
  [/\b(authorizations?|ssidNumber|expiresAt)\b/i, '/remote_data/authorizations'],
  [/\baccountType\b/i, '/remote_data/accountType'],
  [/\bauthenticationMethod\b/i, '/remote_data/authenticationMethod'],
  [/\be-?mail\b/i, '/emails'],
  [/\bname\b/i, '/name'],
]

export function classifyFailure(response: RemoteResponse, input?: CreateInput, context?: CallContext): RemoteFailure {
  const { status } = response
  const message = messageOf(response)
  const failure = classifyByStatus(response, message)
  if (status === 403) return { ...failure, outcome: isPlaceOfAccount(input, context?.account) ? 'held' : 'failed' }
  if (status === 404) return notFound(failure, message, input)
  if (message === undefined || failure.code !== 'provider_validation_failed') return failure

  const passing = passingWords.find(([words]) => words.test(message))
  if (passing) return { ...RETRYING, message, ...(passing[1] === undefined ? {} : { retryAfterMs: passing[1] }) }
  if (duplicate.test(message))
    return { code: 'user_exists', outcome: 'failed', message, pointer: primaryEmailPointer(input) }
  const pointer = attributes.find(([pattern]) => pattern.test(message))?.[1]
  if (pointer === '/remote_data/password') return { ...failure, code: 'password_rejected', pointer }
  return { ...failure, ...(pointer && { pointer: pointer === '/emails' ? primaryEmailPointer(input) : pointer }) }
}

export const isOwnAnswer = ({ body }: RemoteResponse): boolean => errorSchema.safeParse(body).success

/** The body is empty or a page, mostly; the same answer means "not there" and "not for you". */
function notFound(failure: RemoteFailure, message: string | undefined, input: CreateInput | undefined): RemoteFailure {
  const isNetwork = input !== undefined && userTypeOf(input) === 'network'
  const place = isNetwork ? 'network' : 'organization'
  const detail =
    message ??
    `Meraki does not show this ${place} to these credentials. If it or the API key is new, try again in a minute.`
  return { ...failure, message: detail, ...(input && { pointer: isNetwork ? '?workspace_id' : '?organization_id' }) }
}

function messageOf(response: RemoteResponse): string | undefined {
  const error = errorSchema.safeParse(response.body)
  if (!error.success) return undefined
  return toPlainText(error.data.errors.join('; ')) || undefined
}
