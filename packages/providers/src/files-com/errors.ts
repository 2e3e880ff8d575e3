import { z } from 'zod'
import { classifyByStatus } from '../engine/classify.ts'
import {
  CREDENTIALS_EXPIRED,
  CREDENTIALS_REJECTED,
  INVALID,
  NAMED,
  NO_ACCESS,
  NOT_ALLOWED,
  NOT_FOUND,
  PASSWORD_REJECTED,
  RATE_LIMITED,
  RETRYING,
  UNKNOWN,
  USER_EXISTS,
  type FailureRow,
} from '../engine/failure-row.ts'
import { classifyByTable, type Said } from '../engine/failure-table.ts'
import { primaryEmailPointer } from '../mapping/emails.ts'
import { looseList, looseText } from '../engine/loose-schema.ts'
import { toPlainText } from '../mapping/plain-text.ts'
import type { CreateInput, RemoteFailure, RemoteResponse } from '../provider.ts'
import { parseRetryAfter } from '@muster/contracts/retry-after'
import { asSentence } from '@muster/contracts/sentence'

const errorSchema = z.looseObject({
  type: looseText,
  error: looseText,
  title: looseText,
  /** A failure's own id. */
  instance: looseText,
  /** A string in some answers. */
  'http-code': z.coerce.number().nullish().catch(null),
  errors: looseList(z.unknown()),
  model_errors: z.record(z.string(), z.unknown()).nullish().catch(null),
  model_error_keys: z.record(z.string(), z.unknown()).nullish().catch(null),
  data: z.looseObject({ host: looseText }).nullish().catch(null),
})
type FilesComError = z.infer<typeof errorSchema>

/**
 * Some answers wrap the object in an array (the vendor's own SDKs unwrap it). Anything else, HTML too, reads as an
 * error that says nothing.
 */
function parseError(body: unknown): FilesComError {
  const parsed = errorSchema.safeParse(Array.isArray(body) ? body[0] : body)
  return parsed.success ? parsed.data : {}
}

export function isOwnAnswer({ body }: RemoteResponse): boolean {
  const { type, error, title } = parseError(body)
  return Boolean(type || error || title)
}

export function toProviderRequestId({ body }: RemoteResponse): string | undefined {
  return parseError(body).instance ?? undefined
}

function messageOf({ error, title, errors }: FilesComError): string | undefined {
  const details = (errors ?? []).filter(
    (entry): entry is string => typeof entry === 'string' && !error?.includes(entry),
  )
  const plain = toPlainText([error ?? title, ...details].filter(Boolean).join(' — '))
  if (plain === '') return undefined
  return /[.!?…]$/.test(plain) ? plain : `${plain}.`
}

/** The vendor's fields, and the unified field each is made from. */
const pointers: Readonly<Record<string, string>> = {
  username: '/username',
  name: '/name',
  notes: '/description',
  language: '/languages/0',
  time_zone: '/timezone',
  password: '/password',
  password_confirmation: '/password',
  imported_password_hash: '/remote_data/imported_password_hash',
  group_id: '/groups',
  group_ids: '/groups',
  site_admin: '/roles',
  readonly_site_admin: '/roles',
  workspace_admin: '/roles',
  partner_admin: '/roles',
  billing_permission: '/roles',
  workspace_id: '/roles',
  disabled: '/status',
}

function pointerOf(field: string, input: CreateInput | undefined): string | undefined {
  if (input?.user.remote_data && Object.hasOwn(input.user.remote_data, field)) return `/remote_data/${field}`
  if (field === 'email') return primaryEmailPointer(input)
  return Object.hasOwn(pointers, field) ? pointers[field] : undefined
}

/**
 * Keys that speak of the form of a username. The first two are the vendor's own (test of its Java SDK), the others are
 * ActiveModel's, whose "exclusion" reads "is reserved". The key of a taken username is not documented, so whatever is
 * not of these is taken for one: the look-up that follows decides.
 */
const formatKeys = new Set([
  'multiple_spaces',
  'leading_trailing_space',
  'blank',
  'empty',
  'invalid',
  'too_long',
  'too_short',
  'wrong_length',
  'exclusion',
  'inclusion',
  'reserved',
])

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])

function isTaken(error: FilesComError): boolean {
  const keys = listOf(error.model_error_keys?.username)
  if (keys.includes('taken')) return true
  // In English, whatever its key: files.com/docs.
  const isReserved = listOf(error.model_errors?.username).some(
    (entry) => typeof entry === 'string' && /is reserved/i.test(entry),
  )
  return !isReserved && !keys.some((key) => typeof key === 'string' && formatKeys.has(key))
}

/** Throttled logins need time and no more tries; how long is not documented, so this is our choice. */
const LOGIN_PAUSE_MS = 15 * 60_000

const REGION_MISMATCH = 'not-authenticated/lockout-region-mismatch'
/** A refusal of the user record. Without a group in the test of the vendor's .NET SDK. */
const MODEL_ERROR = ['processing-failure/model-save-error', 'model-save-error']
/** As a code, beside MODEL_ERROR. */
const USERNAME_TAKEN = 'username taken'
const PASSWORD_FIELD = /^(imported_)?password(_hash|_confirmation)?$/

/**
 * By `type` and its first part: the texts come in the language of the site, and the statuses are not the same for one
 * type everywhere. Types as listed by the vendor's Go SDK.
 */
export const failures: readonly FailureRow[] = [
  // Nothing that a request could change: the key, the plan or the site must be seen to.
  {
    code: [
      'not-authorized/api-key-is-path-restricted',
      'not-authorized/api-key-only-for-desktop-app',
      'not-authorized/api-key-only-for-mobile-app',
      'not-authorized/api-key-only-for-office-integration',
      'not-authorized/insufficient-permission-for-site',
      'not-authorized/site-admin-required',
      'not-authorized/site-admin-or-workspace-admin-permission-required',
      'service-unavailable/site-disabled',
      'site-configuration/no-account-for-site',
      'site-configuration/site-was-removed',
    ],
    means: NO_ACCESS,
  },
  {
    code: ['site-configuration/account-overdue', 'site-configuration/trial-expired', 'site-configuration/trial-locked'],
    means: { code: 'license_limit_reached', outcome: 'held', certainty: 'final' },
  },
  { code: REGION_MISMATCH, means: NO_ACCESS },
  { code: 'not-authorized/api-key-is-disabled', means: CREDENTIALS_REJECTED },
  {
    code: [
      'rate-limited/too-many-login-attempts',
      'rate-limited/too-many-concurrent-logins',
      'rate-limited/reauthentication-rate-limited',
    ],
    means: RATE_LIMITED,
    waitMs: LOGIN_PAUSE_MS,
  },
  { code: 'service-unavailable/migration-in-progress', means: RETRYING },
  { code: 'not-found/group-not-found', means: NOT_FOUND, pointer: (input) => pointerOf('group_ids', input) },
  { code: USERNAME_TAKEN, means: USER_EXISTS, pointer: '/username' },
  { code: MODEL_ERROR, field: PASSWORD_FIELD, means: PASSWORD_REJECTED, pointer: NAMED },
  { code: MODEL_ERROR, means: INVALID, pointer: NAMED },
  { code: 'rate-limited/*', means: RATE_LIMITED },
  // A service is away or a lock is busy.
  { code: 'service-unavailable/*', means: UNKNOWN },
  { code: 'not-authenticated/*', means: CREDENTIALS_EXPIRED },
  { code: 'not-authorized/*', means: NOT_ALLOWED },
  { code: 'not-found/*', means: NOT_FOUND },
  { code: 'bad-request/*', means: INVALID, pointer: NAMED },
]

/** The host that a site pinned to other security settings asks for, in the body and in a header. */
export function toRedirect(response: RemoteResponse): string | undefined {
  const error = parseError(response.body)
  if (error.type !== REGION_MISMATCH) return undefined
  const host = error.data?.host ?? response.headers['x-files-host']
  // Nothing but a host, so that no path or user name comes along; whether it may be called is checked where it is
  // called.
  if (!host || host.length > 253 || !/^(https?:\/\/)?[a-z0-9.-]+(:\d+)?$/i.test(host)) return undefined
  return host.includes('://') ? host : `https://${host}`
}

function readAnswer(error: FilesComError, input: CreateInput | undefined): Said {
  const message = messageOf(error)
  const type = error.type ?? ''
  const codes = [type, `${type.split('/')[0]}/*`]
  if (!MODEL_ERROR.includes(type)) {
    // "Required request parameter missing: username": the name comes last, in every language.
    const field = /:\s*(\w+)\.?$/.exec(message ?? '')?.[1] ?? ''
    return { codes, message, pointer: pointerOf(field, input) }
  }
  // Fields with an empty list are not in error.
  const fields = Object.entries(error.model_errors ?? {}).flatMap(([field, entries]) =>
    Array.isArray(entries) && entries.length === 0 ? [] : [field],
  )
  if (fields.includes('username') && isTaken(error)) codes.unshift(USERNAME_TAKEN)
  const password = fields.find((field) => PASSWORD_FIELD.test(field))
  const located = (password === undefined ? fields : [password]).map((field) => pointerOf(field, input))
  return { codes, fields, message, pointer: located.find((pointer) => pointer !== undefined) }
}

export function classifyFailure(response: RemoteResponse, input?: CreateInput): RemoteFailure {
  const error = parseError(response.body)
  const said = readAnswer(error, input)
  const code = error['http-code'] ?? 0
  // A server error that comes under another status is still one.
  const status = code >= 500 && response.status >= 400 ? Math.max(code, response.status) : response.status
  if (!error.type || status < 400) return classifyByStatus({ ...response, status }, said.message)
  const failure = classifyByTable(failures, { ...response, status }, said, input)
  if (error.type === REGION_MISMATCH) {
    const host = toRedirect(response) ?? "the site's own host"
    return { ...failure, message: `${asSentence(failure.message)} Set the account's base_url to ${host}.` }
  }
  const wait = parseRetryAfter(response.headers, Date.now())
  const isPassing = !['failed', 'held'].includes(failure.outcome)
  return isPassing && wait !== undefined
    ? { ...failure, retryAfterMs: Math.max(wait, failure.retryAfterMs ?? 0) }
    : failure
}
