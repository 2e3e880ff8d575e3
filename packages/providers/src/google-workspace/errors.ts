import { z } from 'zod'
import { classifyByStatus, IN_DOUBT, THROTTLED, type Verdict } from '../engine/classify.ts'
import { looseList, looseText } from '../engine/loose-schema.ts'
import { toPlainText } from '../mapping/plain-text.ts'
import type { CallContext, CreateInput, RemoteFailure, RemoteResponse } from '../provider.ts'
import { parseRetryAfter } from '@muster/contracts/retry-after'
import { findAddress, isConflictResolution } from './identity.ts'

const reasonsSchema = looseList(z.looseObject({ reason: looseText, message: looseText }))
const errorSchema = z.looseObject({
  error: z.looseObject({ message: looseText, status: looseText, errors: reasonsSchema, details: reasonsSchema }),
})

const NO_ACCESS: Verdict = { code: 'permission_denied', disposition: 'forbidden', certainty: 'final' }

/** A quota of the day: refused until it returns, or is raised. */
const dailyReasons = ['dailyLimitExceeded', 'dailyLimitExceededUnreg', 'variableTermExpiredDailyExceeded']

/**
 * What a reason means whatever the status it comes with: `errors[].reason`, `details[].reason` or `error.status`. The
 * first row that fits an answer wins.
 */
const reasonVerdicts: Readonly<Record<string, Verdict>> = {
  // Google, "Directory API: Limits and quotas" and "Global domain errors", usageLimits. Google sends no Retry-After.
  dailyLimitExceeded: THROTTLED,
  dailyLimitExceededUnreg: THROTTLED,
  variableTermExpiredDailyExceeded: THROTTLED,
  variableTermLimitExceeded: THROTTLED,
  userRateLimitExceeded: THROTTLED,
  userRateLimitExceededUnreg: THROTTLED,
  rateLimitExceeded: THROTTLED,
  rateLimitExceededUnreg: THROTTLED,
  quotaExceeded: THROTTLED,
  concurrentLimitExceeded: THROTTLED,
  servingLimitExceeded: THROTTLED,
  RATE_LIMIT_EXCEEDED: THROTTLED,
  RESOURCE_EXHAUSTED: THROTTLED,
  // Google's own trouble: what GAM tries again (gamlib/glgapi.py, DEFAULT_RETRY_REASONS and the reasons beside it).
  backendError: IN_DOUBT,
  internalError: IN_DOUBT,
  badGateway: IN_DOUBT,
  gatewayTimeout: IN_DOUBT,
  transientError: IN_DOUBT,
  systemError: IN_DOUBT,
  serviceNotAvailable: IN_DOUBT,
  // google.rpc.Code.
  UNAVAILABLE: IN_DOUBT,
  INTERNAL: IN_DOUBT,
  ABORTED: IN_DOUBT,
  DEADLINE_EXCEEDED: IN_DOUBT,
  // Of a 403, those that hold for every user. `forbidden` does not: it is said of one address in a foreign domain, too.
  insufficientPermissions: NO_ACCESS,
  ACCESS_TOKEN_SCOPE_INSUFFICIENT: NO_ACCESS,
  accessNotConfigured: NO_ACCESS,
  SERVICE_DISABLED: NO_ACCESS,
  domainCannotUseApis: NO_ACCESS,
}

/** A quota can be raised before it returns, so it is asked for once an hour. */
const DAILY_LIMIT_WAIT_MS = 3_600_000
const pacificTime = new Intl.DateTimeFormat('en-GB', {
  timeZone: 'America/Los_Angeles',
  hour: '2-digit',
  minute: '2-digit',
  hourCycle: 'h23',
})

/** Daily quotas return at midnight Pacific time (Google Cloud, "Quotas"). */
function untilQuotaReturns(now: number): number {
  const [hours = 0, minutes = 0] = pacificTime.format(now).split(':').map(Number)
  return Math.min((24 * 60 - hours * 60 - minutes) * 60_000, DAILY_LIMIT_WAIT_MS)
}

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

/** 202 with an empty body tells that an invitation was sent. */
export function isOwnAnswer({ status, body }: RemoteResponse): boolean {
  return errorSchema.safeParse(body).success || (status === 202 && body === '')
}

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

  const verdict = [...reasons, error.status].flatMap((reason) =>
    reason && Object.hasOwn(reasonVerdicts, reason) ? [reasonVerdicts[reason]] : [],
  )[0]
  if (verdict?.disposition === 'throttled') {
    const daily = has(dailyReasons) ? untilQuotaReturns(Date.now()) : undefined
    const retryAfterMs = parseRetryAfter(response.headers, Date.now()) ?? daily
    return { ...verdict, message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
  }
  if (verdict) return { ...verdict, message }
  // A user was seen to exist after a 400 (terraform-provider-googleworkspace#55); GAM takes reason `invalid` with these
  // words for a server's error.
  if (/system error has occurred/i.test(message)) return { ...IN_DOUBT, message }

  switch (status) {
    case 400:
      return classifyInvalid(message, reasons, input)
    case 403:
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
      // Two writers at once get a 409 too; whether there is such a user, the look-up tells.
      if (!has(['duplicate']) && error.status !== 'ALREADY_EXISTS' && !/already exists/i.test(message))
        return { ...IN_DOUBT, message }
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
