import { z } from 'zod'
import { classifyByStatus, UNKNOWN, RATE_LIMITED, type Meaning } from '../engine/classify.ts'
import { looseList, looseText } from '../engine/loose-schema.ts'
import { toPlainText } from '../mapping/plain-text.ts'
import type { CallContext, CreateInput, RemoteFailure, RemoteResponse } from '../provider.ts'
import { parseRetryAfter } from '@muster/contracts/retry-after'
import { findAddress, isConflictResolution } from './request.ts'

const reasonsSchema = looseList(z.looseObject({ reason: looseText, message: looseText }))
const errorSchema = z.looseObject({
  error: z.looseObject({ message: looseText, status: looseText, errors: reasonsSchema, details: reasonsSchema }),
})

const NO_ACCESS: Meaning = { code: 'permission_denied', outcome: 'held', certainty: 'final' }

/** A quota of the day: refused until it returns, or is raised. */
const dailyReasons = ['dailyLimitExceeded', 'dailyLimitExceededUnreg', 'variableTermExpiredDailyExceeded']

/**
 * What a reason means whatever the status it comes with: `errors[].reason`, `details[].reason` or `error.status`. The
 * first row that fits an answer wins.
 */
const reasonMeanings: Readonly<Record<string, Meaning>> = {
  // Google, "Directory API: Limits and quotas" and "Global domain errors", usageLimits. Google sends no Retry-After.
  dailyLimitExceeded: RATE_LIMITED,
  dailyLimitExceededUnreg: RATE_LIMITED,
  variableTermExpiredDailyExceeded: RATE_LIMITED,
  variableTermLimitExceeded: RATE_LIMITED,
  userRateLimitExceeded: RATE_LIMITED,
  userRateLimitExceededUnreg: RATE_LIMITED,
  rateLimitExceeded: RATE_LIMITED,
  rateLimitExceededUnreg: RATE_LIMITED,
  quotaExceeded: RATE_LIMITED,
  concurrentLimitExceeded: RATE_LIMITED,
  servingLimitExceeded: RATE_LIMITED,
  RATE_LIMIT_EXCEEDED: RATE_LIMITED,
  RESOURCE_EXHAUSTED: RATE_LIMITED,
  // Google's own trouble: what GAM tries again (gamlib/glgapi.py, DEFAULT_RETRY_REASONS and the reasons beside it).
  backendError: UNKNOWN,
  internalError: UNKNOWN,
  badGateway: UNKNOWN,
  gatewayTimeout: UNKNOWN,
  transientError: UNKNOWN,
  systemError: UNKNOWN,
  serviceNotAvailable: UNKNOWN,
  // google.rpc.Code.
  UNAVAILABLE: UNKNOWN,
  INTERNAL: UNKNOWN,
  ABORTED: UNKNOWN,
  DEADLINE_EXCEEDED: UNKNOWN,
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

/** 202 with an empty body says that an invitation was sent. */
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
    return { code: 'user_exists', outcome: 'failed', message, ...toPointer('address', input) }
  }
  const parsed = errorSchema.safeParse(response.body)
  if (!parsed.success || status < 400) return classifyByStatus(response)
  const { error } = parsed.data
  const reasons = reasonsOf(error)
  const message = toPlainText(error.message || error.errors?.[0]?.message || '') || `Google answered ${status}.`
  const has = (wanted: readonly string[]) => reasons.some((reason) => reason && wanted.includes(reason))

  const meaning = [...reasons, error.status].flatMap((reason) =>
    reason && Object.hasOwn(reasonMeanings, reason) ? [reasonMeanings[reason]] : [],
  )[0]
  if (meaning?.outcome === 'rate_limited') {
    const daily = has(dailyReasons) ? untilQuotaReturns(Date.now()) : undefined
    const retryAfterMs = parseRetryAfter(response.headers, Date.now()) ?? daily
    return { ...meaning, message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
  }
  if (meaning) return { ...meaning, message }
  // A user was seen to exist after a 400 (terraform-provider-googleworkspace#55); GAM takes reason `invalid` with these
  // words for a server's error.
  if (/system error has occurred/i.test(message)) return { ...UNKNOWN, message }

  switch (status) {
    case 400:
      return classifyInvalid(message, reasons, input)
    case 403:
      if (!has(['forbidden'])) return classifyByStatus(response, message)
      // Said for some seconds of a user who was just created: it neither shows the user nor disproves one.
      if (context?.purpose === 'find') return { code: 'provider_unavailable', outcome: 'retrying', message }
      return {
        code: 'permission_denied',
        outcome: 'failed',
        message: `${message} (Google says so of an address in a domain that is not the customer's, and to an administrator who may not create users.)`,
      }
    case 404:
      return {
        ...classifyByStatus(response, message),
        ...(has(['domainNotFound']) || /\bdomain\b/i.test(message) ? toPointer('address', input) : {}),
      }
    case 409:
      // Two concurrent writers get a 409 too; the look-up shows whether there is such a user.
      if (!has(['duplicate']) && error.status !== 'ALREADY_EXISTS' && !/already exists/i.test(message))
        return { ...UNKNOWN, message }
      return { code: 'user_exists', outcome: 'failed', message, ...toPointer('address', input) }
    case 412:
      if (has(['conditionNotMet'])) return { code: 'provider_unavailable', outcome: 'retrying', message }
      if (has(['limitExceeded'])) return { code: 'license_limit_reached', outcome: 'failed', message }
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
    outcome: 'failed',
    message,
    ...(subject === undefined ? {} : toPointer(subject, input)),
  }
}
