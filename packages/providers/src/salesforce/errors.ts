import { z } from 'zod'
import { classifyByStatus, UNKNOWN, RETRYING, RATE_LIMITED, type Meaning } from '../engine/classify.ts'
import { primaryEmailPointer } from '../mapping/emails.ts'
import { looseList, looseText } from '../engine/loose-schema.ts'
import { toPlainText } from '../mapping/plain-text.ts'
import type { CreateInput, RemoteFailure, RemoteResponse } from '../provider.ts'
import { remoteFieldPointer } from './user-object.ts'

/** The REST API answers failures as a list; `fields` comes with those of a record only. */
const errorsSchema = z
  .array(z.looseObject({ errorCode: z.string(), message: looseText, fields: looseList(z.string()) }))
  .min(1)

/**
 * The daily allocation is a rolling 24 hours, so calls come back little by little; Salesforce sends no Retry-After. To
 * ask costs one of them.
 */
const DAILY_LIMIT_WAIT_MS = 5 * 60 * 1000
/** Long requests must end first. */
const CONCURRENCY_WAIT_MS = 5_000

/** Fields of User, and the unified field each is made from. */
const pointers = new Map(
  Object.entries({
    Username: '/username',
    FirstName: '/first_name',
    LastName: '/last_name',
    Phone: '/phones',
    MobilePhone: '/phones',
    Fax: '/phones',
    Extension: '/phones',
    ProfileId: '/roles',
    UserRoleId: '/roles',
    TimeZoneSidKey: '/timezone',
    LanguageLocaleKey: '/languages/0',
    LocaleSidKey: '/languages/0',
    IsActive: '/status',
  }),
)

/** Where a code alone says what it is about. */
const codePointers = new Map(
  Object.entries({
    MALFORMED_ID: '/roles',
    INVALID_CROSS_REFERENCE_KEY: '/roles',
    INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY: '/roles',
    JSON_PARSER_ERROR: '/remote_data',
  }),
)

/**
 * Temporary failures, whatever the status they come with: exception codes of the Partner WSDL, and DML status codes.
 * With a 400 Salesforce rolls the whole request back.
 */
const passingCodes: Readonly<Record<string, Meaning>> = {
  REQUEST_LIMIT_EXCEEDED: RATE_LIMITED,
  TOO_MANY_APEX_REQUESTS: RATE_LIMITED,
  UNABLE_TO_LOCK_ROW: RETRYING,
  QUERY_TIMEOUT: RETRYING,
  FUNCTIONALITY_TEMPORARILY_UNAVAILABLE: RETRYING,
  ORG_IN_MAINTENANCE: RETRYING,
  ORG_LOCKED: RETRYING,
  SSO_SERVICE_DOWN: RETRYING,
  REQUEST_RUNNING_TOO_LONG: UNKNOWN,
  SERVER_UNAVAILABLE: UNKNOWN,
  UNKNOWN_EXCEPTION: UNKNOWN,
}

/** Codes of the org's own automation, whose message quotes what stopped it: "first error: UNABLE_TO_LOCK_ROW, …". */
const wrappingCodes = [
  'CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY',
  'CANNOT_EXECUTE_FLOW_TRIGGER',
  'FIELD_CUSTOM_VALIDATION_EXCEPTION',
  'PROCESSING_HALTED',
  'APEX_ERROR',
  'UNKNOWN_EXCEPTION',
]

/** The words of a lock where the code beside them is another one. */
const LOCKED = /unable to obtain exclusive access|record currently unavailable/i

/** The inner code counts: it is what stopped the trigger. */
function findPassing(errors: z.infer<typeof errorsSchema>): Meaning | undefined {
  for (const { errorCode, message } of errors) {
    const inner = wrappingCodes.includes(errorCode) ? (message?.match(/\b[A-Z]+(?:_[A-Z]+)+\b/g) ?? []) : []
    for (const code of [...inner, errorCode]) if (Object.hasOwn(passingCodes, code)) return passingCodes[code]
    if (LOCKED.test(message ?? '')) return RETRYING
  }
  return undefined
}

export const isOwnAnswer = ({ body }: RemoteResponse): boolean => errorsSchema.safeParse(body).success

export function classifyFailure(response: RemoteResponse, input?: CreateInput): RemoteFailure {
  const errors = errorsSchema.safeParse(response.body)
  const [error] = errors.success ? errors.data : []
  // A 2xx that cannot be read, and pages of gateways and of maintenance.
  if (!error || !errors.success || response.status < 300) return classifyByStatus(response)
  const said = errors.data
    .map((each) => each.message)
    .filter(Boolean)
    .join(' — ')
  const message = toPlainText(said || error.errorCode) || `Salesforce answered ${response.status}.`
  const found = toPointer(error.errorCode, error.fields ?? [], message, input)
  const pointer = found ? { pointer: found } : {}
  const nickname = input && remoteFieldPointer(input, 'CommunityNickname')
  const invalid: RemoteFailure = { code: 'provider_validation_failed', outcome: 'failed', message, ...pointer }

  const passing = findPassing(errors.data)
  if (passing?.outcome === 'rate_limited') {
    const isDaily = error.errorCode === 'REQUEST_LIMIT_EXCEEDED' && !/concurrent/i.test(message)
    return { ...passing, message, retryAfterMs: isDaily ? DAILY_LIMIT_WAIT_MS : CONCURRENCY_WAIT_MS }
  }
  if (passing) return { ...passing, message }

  switch (error.errorCode) {
    case 'INVALID_SESSION_ID':
      return { code: 'credentials_rejected', outcome: 'held', certainty: 'confirm', message }
    case 'DUPLICATE_USERNAME':
      return { code: 'user_exists', outcome: 'failed', message, pointer: found ?? '/username' }
    case 'DUPLICATE_COMM_NICKNAME':
      // Salesforce makes up a nickname where none is given, and another one the next time.
      return nickname === undefined
        ? { code: 'provider_unavailable', outcome: 'retrying', message }
        : { ...invalid, pointer: nickname }
    case 'LICENSE_LIMIT_EXCEEDED':
      return { code: 'license_limit_reached', outcome: 'failed', message, ...licensePointer(input) }
    case 'API_DISABLED_FOR_ORG':
    case 'FUNCTIONALITY_NOT_ENABLED':
      return { code: 'permission_denied', outcome: 'held', certainty: 'final', message }
    // "Currently": of a user without the right, and of an org whose API is away.
    case 'API_CURRENTLY_DISABLED':
      return { code: 'permission_denied', outcome: 'held', message }
    case 'INSUFFICIENT_ACCESS':
    case 'INSUFFICIENT_ACCESS_OR_READONLY':
      // Without a field it is about users as such; with one, about what this request asks for.
      return error.fields?.length
        ? { code: 'permission_denied', outcome: 'failed', message, ...pointer }
        : { code: 'permission_denied', outcome: 'held', message }
    case 'INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY':
      return { code: 'permission_denied', outcome: 'failed', message, ...pointer }
    case 'INVALID_CROSS_REFERENCE_KEY':
      return { code: 'provider_not_found', outcome: 'failed', message, ...pointer }
    case 'INVALID_NEW_PASSWORD':
      return { code: 'password_rejected', outcome: 'failed', message, pointer: '/password' }
    default:
      return response.status === 400 ? invalid : { ...classifyByStatus(response, message), ...pointer }
  }
}

function toPointer(
  errorCode: string,
  fields: readonly string[],
  message: string,
  input: CreateInput | undefined,
): string | undefined {
  // "No such column 'foo' on sobject of type User" names it in the text alone.
  const column = errorCode === 'INVALID_FIELD' ? /'(\w+)'/.exec(message)?.[1] : undefined
  for (const field of [...fields, ...(column ? [column] : [])]) {
    const unified = field === 'Email' ? primaryEmailPointer(input) : pointers.get(field)
    const pointer = (input && remoteFieldPointer(input, field)) ?? unified
    if (pointer) return pointer
  }
  return errorCode === 'INVALID_EMAIL_ADDRESS' ? primaryEmailPointer(input) : codePointers.get(errorCode)
}

/**
 * The profile decides the licence; a feature licence is asked for by a UserPermissions… flag, and both have the same
 * error.
 */
function licensePointer(input: CreateInput | undefined): { pointer?: string } {
  const asksForFeature = Object.keys(input?.user.remote_data ?? {}).some((key) => /^userpermissions/i.test(key))
  return asksForFeature ? {} : { pointer: '/roles' }
}
