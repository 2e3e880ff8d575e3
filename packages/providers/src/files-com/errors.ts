import { z } from 'zod'
import { classifyByStatus, UNKNOWN } from '../engine/classify.ts'
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

function pointerOf(field: string, input: CreateInput | undefined): { pointer?: string } {
  if (input?.user.remote_data && Object.hasOwn(input.user.remote_data, field))
    return { pointer: `/remote_data/${field}` }
  if (field === 'email') return { pointer: primaryEmailPointer(input) }
  return Object.hasOwn(pointers, field) ? { pointer: pointers[field] } : {}
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

/** A refusal of the user record: 422 with the errors of each field. Fields with an empty list are not in error. */
function classifyModelError(error: FilesComError, message: string, input: CreateInput | undefined): RemoteFailure {
  const fields = Object.entries(error.model_errors ?? {}).flatMap(([field, entries]) =>
    Array.isArray(entries) && entries.length === 0 ? [] : [field],
  )
  if (fields.includes('username') && isTaken(error))
    return { code: 'user_exists', outcome: 'failed', message, pointer: '/username' }
  const password = fields.find((field) => /^(imported_)?password(_hash|_confirmation)?$/.test(field))
  if (password !== undefined)
    return { code: 'password_rejected', outcome: 'failed', message, ...pointerOf(password, input) }
  const located = fields.map((field) => pointerOf(field, input)).find(({ pointer }) => pointer !== undefined)
  return { code: 'provider_validation_failed', outcome: 'failed', message, ...located }
}

/**
 * Nothing that a request could change: the key, the plan or the site must be seen to. Types as listed by the vendor's
 * Go SDK.
 */
const accountFailures: Readonly<Record<string, RemoteFailure['code']>> = {
  'not-authorized/api-key-is-path-restricted': 'permission_denied',
  'not-authorized/api-key-only-for-desktop-app': 'permission_denied',
  'not-authorized/api-key-only-for-mobile-app': 'permission_denied',
  'not-authorized/api-key-only-for-office-integration': 'permission_denied',
  'not-authorized/insufficient-permission-for-site': 'permission_denied',
  'not-authorized/site-admin-required': 'permission_denied',
  'not-authorized/site-admin-or-workspace-admin-permission-required': 'permission_denied',
  'service-unavailable/site-disabled': 'permission_denied',
  'site-configuration/account-overdue': 'license_limit_reached',
  'site-configuration/no-account-for-site': 'permission_denied',
  'site-configuration/site-was-removed': 'permission_denied',
  'site-configuration/trial-expired': 'license_limit_reached',
  'site-configuration/trial-locked': 'license_limit_reached',
}

/** Throttled logins need time and no more tries; how long is not documented, so this is our choice. */
const LOGIN_PAUSE_MS = 15 * 60_000

const REGION_MISMATCH = 'not-authenticated/lockout-region-mismatch'

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

/** By `type`: the texts come in the language of the site, and the statuses are not the same for one type everywhere. */
export function classifyFailure(response: RemoteResponse, input?: CreateInput): RemoteFailure {
  const error = parseError(response.body)
  const type = error.type ?? ''
  const code = error['http-code'] ?? 0
  // A server error that comes under another status is still one.
  const byStatus = classifyByStatus(
    code >= 500 && response.status >= 400 ? { ...response, status: Math.max(code, response.status) } : response,
    messageOf(error),
  )
  if (type === '' || response.status < 400) return byStatus

  const { message } = byStatus
  const accountFailure = Object.hasOwn(accountFailures, type) ? accountFailures[type] : undefined
  if (accountFailure !== undefined) return { code: accountFailure, outcome: 'held', certainty: 'final', message }
  const rejected = (reason: RemoteFailure['code'], located: { pointer?: string } = {}): RemoteFailure => ({
    code: reason,
    outcome: 'failed',
    message,
    ...located,
  })
  const wait = parseRetryAfter(response.headers, Date.now())

  switch (type) {
    case REGION_MISMATCH:
      return {
        code: 'permission_denied',
        outcome: 'held',
        certainty: 'final',
        message: `${asSentence(message)} Set the account's base_url to ${toRedirect(response) ?? "the site's own host"}.`,
      }
    case 'not-authorized/api-key-is-disabled':
      return { code: 'credentials_rejected', outcome: 'held', certainty: 'final', message }
    case 'rate-limited/too-many-login-attempts':
    case 'rate-limited/too-many-concurrent-logins':
    case 'rate-limited/reauthentication-rate-limited':
      return {
        code: 'rate_limited',
        outcome: 'rate_limited',
        message,
        retryAfterMs: Math.max(wait ?? 0, LOGIN_PAUSE_MS),
      }
    case 'service-unavailable/migration-in-progress':
      return {
        code: 'provider_unavailable',
        outcome: 'retrying',
        message,
        ...(wait === undefined ? {} : { retryAfterMs: wait }),
      }
    case 'not-found/group-not-found':
      return rejected('provider_not_found', pointerOf('group_ids', input))
    // Without a group in the test of the vendor's .NET SDK.
    case 'processing-failure/model-save-error':
    case 'model-save-error':
      return classifyModelError(error, message, input)
  }

  switch (type.split('/')[0]) {
    case 'rate-limited':
      return {
        code: 'rate_limited',
        outcome: 'rate_limited',
        message,
        ...(wait === undefined ? {} : { retryAfterMs: wait }),
      }
    // A service is away or a lock is busy; a disabled site is handled above.
    case 'service-unavailable':
      return { ...UNKNOWN, message, ...(wait === undefined ? {} : { retryAfterMs: wait }) }
    case 'not-authenticated':
      return { code: 'credentials_rejected', outcome: 'held', certainty: 'confirm', message }
    case 'not-authorized':
      return rejected('permission_denied')
    case 'not-found':
      return rejected('provider_not_found')
    case 'bad-request':
      // "Required request parameter missing: username": the name comes last, in every language.
      return rejected('provider_validation_failed', pointerOf(/:\s*(\w+)\.?$/.exec(message)?.[1] ?? '', input))
    default:
      return byStatus
  }
}
