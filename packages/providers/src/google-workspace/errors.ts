import { z } from 'zod'
import { classifyByStatus } from '../classify.ts'
import { looseList, looseText } from '../loose-schema.ts'
import { toPlainText } from '../plain-text.ts'
import type { CallContext, CreateInput, RemoteFailure, RemoteResponse } from '../provider.ts'
import { parseRetryAfter } from '@muster/contracts/retry-after'
import { findAddress, isConflictResolution } from './identity.ts'

const reasonsSchema = looseList(z.looseObject({ reason: looseText, message: looseText }))
const errorSchema = z.looseObject({
  error: z.looseObject({ message: looseText, status: looseText, errors: reasonsSchema, details: reasonsSchema }),
})

/** Refused for its rate, whether as 403 or 429; Google sends no Retry-After. */
const quotaReasons = ['userRateLimitExceeded', 'rateLimitExceeded', 'quotaExceeded', 'RATE_LIMIT_EXCEEDED']
/**
 * Google's own trouble, whatever the status: what GAM tries again (gamlib/glgapi.py, DEFAULT_RETRY_REASONS) less the
 * quota reasons.
 */
const troubleReasons = ['backendError', 'internalError', 'badGateway', 'gatewayTimeout', 'transientError']
/**
 * Of a 403, those that hold for every user. `forbidden` does not: it is said of one address in a foreign domain, too.
 */
const accountReasons = [
  'insufficientPermissions',
  'ACCESS_TOKEN_SCOPE_INSUFFICIENT',
  'accessNotConfigured',
  'SERVICE_DISABLED',
  'domainCannotUseApis',
]

type Pointer = string | 'address'

/** What a 400 is about, by its words; the first that fits. */
const subjects: readonly (readonly [words: RegExp, pointer: Pointer, code: RemoteFailure['code']])[] = [
  [/GivenName\b|\[resource\.name/i, '/first_name', 'provider_validation_failed'],
  [/FamilyName\b/i, '/last_name', 'provider_validation_failed'],
  [/\[resource\.password/i, '/password', 'provider_validation_failed'],
  [/password/i, '/password', 'password_rejected'],
  [/primary_?(user_)?email/i, 'address', 'provider_validation_failed'],
  [/INVALID_OU_ID/, '/remote_data/orgUnitPath', 'provider_not_found'],
  [/org_?unit/i, '/remote_data/orgUnitPath', 'provider_validation_failed'],
  [/custom_?schema/i, '/remote_data/customSchemas', 'provider_validation_failed'],
  [/recovery_?phone/i, '/remote_data/recoveryPhone', 'provider_validation_failed'],
  [/recovery_?email/i, '/remote_data/recoveryEmail', 'provider_validation_failed'],
]
/** Reasons that name the subject where the words do not. */
const reasonSubjects: Readonly<Record<string, readonly [pointer: Pointer, code: RemoteFailure['code']]>> = {
  invalidOrgunit: ['/remote_data/orgUnitPath', 'provider_not_found'],
  invalidSchemaValue: ['/remote_data/customSchemas', 'provider_validation_failed'],
  schemaInvalid: ['/remote_data/customSchemas', 'provider_validation_failed'],
}

/**
 * A pointer must lead to something in the request: an organizational unit can come from the account's config instead.
 */
function toPointer(subject: Pointer, input: CreateInput | undefined): { pointer?: string } {
  if (subject === 'address') return { pointer: (input && findAddress(input)?.pointer) ?? '/emails' }
  const remoteField = /^\/remote_data\/(\w+)$/.exec(subject)?.[1]
  if (remoteField !== undefined && input?.user.remote_data?.[remoteField] === undefined) return {}
  return { pointer: subject }
}

type GoogleError = z.infer<typeof errorSchema>['error']

const reasonsOf = (error: GoogleError) =>
  [...(error.errors ?? []), ...(error.details ?? [])].map((entry) => entry.reason)

/**
 * A page of HTML with status 404 is not the directory's word, and 403 `forbidden` also comes for users who are seconds
 * old (terraform-provider-googleworkspace#213).
 */
export function isAbsent({ status, body }: RemoteResponse): boolean {
  const error = errorSchema.safeParse(body).data?.error
  return (
    status === 404 && error !== undefined && (reasonsOf(error).includes('notFound') || error.status === 'NOT_FOUND')
  )
}

/** By status, `errors[].reason` and `details[].reason`; by words only where those say nothing. */
export function classifyFailure(response: RemoteResponse, input?: CreateInput, context?: CallContext): RemoteFailure {
  const { status } = response
  // 202 with an empty body. To send it again would be to invite again.
  if (status === 202 && input && isConflictResolution(input) && response.body === '') {
    const message =
      'An unmanaged account of this address exists: its owner was invited to join, and no user was created yet.'
    return { code: 'user_exists', disposition: 'rejected', message, ...toPointer('address', input) }
  }
  const parsed = errorSchema.safeParse(response.body)
  if (!parsed.success || status < 400) return classifyByStatus(response)
  const { error } = parsed.data
  const reasons = reasonsOf(error)
  const message = toPlainText(error.message || error.errors?.[0]?.message || '') || `Google answered ${status}.`
  const has = (wanted: readonly string[]) => reasons.some((reason) => reason && wanted.includes(reason))

  if (has(quotaReasons) || error.status === 'RESOURCE_EXHAUSTED') {
    const retryAfterMs = parseRetryAfter(response.headers, Date.now())
    return {
      code: 'rate_limited',
      disposition: 'throttled',
      message,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    }
  }
  // A user was seen to exist after a 400 (terraform-provider-googleworkspace#55); GAM takes reason `invalid` with these
  // words for a server's error.
  if (has(troubleReasons) || /system error has occurred/i.test(message))
    return { code: 'provider_unavailable', disposition: 'unknown', message }

  switch (status) {
    case 400:
      return classifyInvalid(message, reasons, input)
    case 403:
      if (has(accountReasons)) return { code: 'permission_denied', disposition: 'forbidden', message }
      if (!has(['forbidden'])) return classifyByStatus(response, message)
      // Said for some seconds of a user who was just created: it neither shows the user nor disproves one.
      if (context?.purpose === 'find') return { code: 'provider_unavailable', disposition: 'unavailable', message }
      return {
        code: 'permission_denied',
        disposition: 'rejected',
        message: `${message} (Google says so of an address in a domain that is not the customer's, and to an administrator who may not create users.)`,
      }
    case 404:
      return {
        ...classifyByStatus(response, message),
        ...(has(['domainNotFound']) || /\bdomain\b/i.test(message) ? toPointer('address', input) : {}),
      }
    case 409:
      return { code: 'user_exists', disposition: 'rejected', message, ...toPointer('address', input) }
    case 412:
      if (has(['conditionNotMet'])) return { code: 'provider_unavailable', disposition: 'unavailable', message }
      if (has(['limitExceeded'])) return { code: 'license_limit_reached', disposition: 'rejected', message }
      return classifyByStatus(response, message)
    default:
      return classifyByStatus(response, message)
  }
}

function classifyInvalid(
  message: string,
  reasons: readonly (string | null | undefined)[],
  input: CreateInput | undefined,
): RemoteFailure {
  const [, pointer, code] = subjects.find(([words]) => words.test(message)) ?? []
  const [reasonPointer, reasonCode] =
    reasons.flatMap((reason) => (reason && Object.hasOwn(reasonSubjects, reason) ? [reasonSubjects[reason]] : []))[0] ??
    []
  const subject = reasonPointer ?? pointer
  return {
    code: reasonCode ?? code ?? 'provider_validation_failed',
    disposition: 'rejected',
    message,
    ...(subject === undefined ? {} : toPointer(subject, input)),
  }
}
