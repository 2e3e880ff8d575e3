import { z } from 'zod'
import { classifyByStatus } from '../engine/classify.ts'
import {
  INVALID,
  NO_ACCESS,
  NO_SEAT,
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
import { looseList, looseText } from '../engine/loose-schema.ts'
import { toPlainText } from '../mapping/plain-text.ts'
import type { CallContext, CreateInput, RemoteFailure, RemoteResponse } from '../provider.ts'
import { parseRetryAfter } from '@muster/contracts/retry-after'
import { findAddress, isConflictResolution } from './request.ts'

const reasonsSchema = looseList(z.looseObject({ reason: looseText, message: looseText }))
const errorSchema = z.looseObject({
  error: z.looseObject({ message: looseText, status: looseText, errors: reasonsSchema, details: reasonsSchema }),
})

/** As a code: 202 with an empty body. */
const INVITED = 'invitation sent'

/** A quota of the day: refused until it returns, or is raised. */
const dailyReasons = ['dailyLimitExceeded', 'dailyLimitExceededUnreg', 'variableTermExpiredDailyExceeded']

/**
 * Reasons that say what an answer means whatever the status it comes with: `errors[].reason`, `details[].reason` or
 * `error.status`. Of several the answer's first counts.
 */
const decisive = [
  // Google, "Directory API: Limits and quotas" and "Global domain errors", usageLimits. Google sends no Retry-After.
  {
    code: [
      ...dailyReasons,
      'variableTermLimitExceeded',
      'userRateLimitExceeded',
      'userRateLimitExceededUnreg',
      'rateLimitExceeded',
      'rateLimitExceededUnreg',
      'quotaExceeded',
      'concurrentLimitExceeded',
      'servingLimitExceeded',
      'RATE_LIMIT_EXCEEDED',
      'RESOURCE_EXHAUSTED',
    ],
    means: RATE_LIMITED,
  },
  // Google's own trouble: what GAM tries again (gamlib/glgapi.py, DEFAULT_RETRY_REASONS and the reasons beside it).
  {
    code: [
      'backendError',
      'internalError',
      'badGateway',
      'gatewayTimeout',
      'transientError',
      'systemError',
      'serviceNotAvailable',
    ],
    means: UNKNOWN,
  },
  // google.rpc.Code.
  { code: ['UNAVAILABLE', 'INTERNAL', 'ABORTED', 'DEADLINE_EXCEEDED'], means: UNKNOWN },
  // Of a 403, those that hold for every user. `forbidden` does not: it is said of one address in a foreign domain, too.
  {
    code: [
      'insufficientPermissions',
      'ACCESS_TOKEN_SCOPE_INSUFFICIENT',
      'accessNotConfigured',
      'SERVICE_DISABLED',
      'domainCannotUseApis',
    ],
    means: NO_ACCESS,
  },
] satisfies readonly FailureRow[]
const decisiveReasons: readonly string[] = decisive.flatMap(({ code }) => code)

/** An organizational unit, say, can come from the account's config: a pointer must lead to something in the request. */
const whereGiven = (field: string) => (input: CreateInput | undefined) =>
  input?.user.remote_data?.[field] === undefined ? undefined : `/remote_data/${field}`
const addressPointer = (input: CreateInput | undefined): string => (input && findAddress(input)?.pointer) ?? '/emails'
const [orgUnit, customSchemas] = [whereGiven('orgUnitPath'), whereGiven('customSchemas')]

/** By status, `errors[].reason` and `details[].reason`; by words only where those say nothing. */
export const failures: readonly FailureRow[] = [
  ...decisive,
  // To send it again would be to invite again.
  { code: INVITED, means: USER_EXISTS, pointer: addressPointer },
  // A user was seen to exist after a 400 (terraform-provider-googleworkspace#55); GAM takes reason `invalid` with these
  // words for a server's error.
  { says: /system error has occurred/i, means: UNKNOWN },
  { status: 400, code: 'invalidOrgunit', means: NOT_FOUND, pointer: orgUnit },
  { status: 400, code: ['invalidSchemaValue', 'schemaInvalid'], means: INVALID, pointer: customSchemas },
  { status: 400, says: /GivenName\b|\[resource\.name/i, means: INVALID, pointer: '/first_name' },
  { status: 400, says: /FamilyName\b/i, means: INVALID, pointer: '/last_name' },
  { status: 400, says: /\[resource\.password/i, means: INVALID, pointer: '/password' },
  { status: 400, says: /password/i, means: PASSWORD_REJECTED, pointer: '/password' },
  { status: 400, says: /primary_?(user_)?email/i, means: INVALID, pointer: addressPointer },
  { status: 400, says: /INVALID_OU_ID/, means: NOT_FOUND, pointer: orgUnit },
  { status: 400, says: /org_?unit/i, means: INVALID, pointer: orgUnit },
  { status: 400, says: /custom_?schema/i, means: INVALID, pointer: customSchemas },
  { status: 400, says: /recovery_?phone/i, means: INVALID, pointer: whereGiven('recoveryPhone') },
  { status: 400, says: /recovery_?email/i, means: INVALID, pointer: whereGiven('recoveryEmail') },
  { status: 400, means: INVALID },
  // Said for some seconds of a user who was just created: it neither shows the user nor disproves one.
  { status: 403, code: 'forbidden', purpose: 'find', means: RETRYING },
  {
    status: 403,
    code: 'forbidden',
    means: NOT_ALLOWED,
    hint: "(Google says so of an address in a domain that is not the customer's, and to an administrator who may not create users.)",
  },
  { status: 404, code: 'domainNotFound', pointer: addressPointer },
  { status: 404, says: /\bdomain\b/i, pointer: addressPointer },
  { status: 409, code: ['duplicate', 'ALREADY_EXISTS'], means: USER_EXISTS, pointer: addressPointer },
  { status: 409, says: /already exists/i, means: USER_EXISTS, pointer: addressPointer },
  // Two concurrent writers get a 409 too; the look-up shows whether there is such a user.
  { status: 409, means: UNKNOWN },
  { status: 412, code: 'conditionNotMet', means: RETRYING },
  { status: 412, code: 'limitExceeded', means: NO_SEAT },
]

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

type GoogleError = z.infer<typeof errorSchema>['error']

const reasonsOf = (error: GoogleError): string[] =>
  [...(error.errors ?? []), ...(error.details ?? [])].flatMap(({ reason }) => reason || [])

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

function readAnswer({ status, body }: RemoteResponse, input: CreateInput | undefined): Said {
  if (status === 202 && input && isConflictResolution(input) && body === '') {
    const message =
      'An unmanaged account of this address exists: its owner was invited to join, and no user was created yet.'
    return { codes: [INVITED], message }
  }
  const error = errorSchema.safeParse(body).data?.error
  if (!error || status < 400) return {}
  const message = toPlainText(error.message || error.errors?.[0]?.message || '') || `Google answered ${status}.`
  const reasons = [...reasonsOf(error), error.status ?? '']
  const first = reasons.find((reason) => decisiveReasons.includes(reason))
  return { codes: first === undefined ? reasons : [first], text: message, message }
}

/** For a daily quota, until it returns. */
function waitOf({ headers, body }: RemoteResponse): number | undefined {
  const error = errorSchema.safeParse(body).data?.error
  const isDaily = error && reasonsOf(error).some((reason) => dailyReasons.includes(reason))
  return parseRetryAfter(headers, Date.now()) ?? (isDaily ? untilQuotaReturns(Date.now()) : undefined)
}

export function classifyFailure(response: RemoteResponse, input?: CreateInput, context?: CallContext): RemoteFailure {
  const said = readAnswer(response, input)
  // A gateway's page is read by its status alone.
  if (!said.codes) return classifyByStatus(response)
  const failure = classifyByTable(failures, response, { ...said, purpose: context?.purpose }, input)
  const wait = failure.outcome === 'rate_limited' ? waitOf(response) : undefined
  return wait === undefined ? failure : { ...failure, retryAfterMs: wait }
}
