import { z } from 'zod'
import { classifyByStatus } from '../engine/classify.ts'
import {
  CREDENTIALS_EXPIRED,
  INVALID,
  NAMED,
  NO_ACCESS,
  NO_ACCESS_IN_DOUBT,
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
import { classifyByTable } from '../engine/failure-table.ts'
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
    DUPLICATE_USERNAME: '/username',
    MALFORMED_ID: '/roles',
    INVALID_CROSS_REFERENCE_KEY: '/roles',
    INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY: '/roles',
    JSON_PARSER_ERROR: '/remote_data',
  }),
)

/** As a code: REQUEST_LIMIT_EXCEEDED of the daily allocation, where the words do not tell it from the other limit. */
const DAILY_LIMIT = 'daily limit'
/** As a code, beside DUPLICATE_COMM_NICKNAME. */
const GIVEN_NICKNAME = 'given nickname'

/**
 * Temporary failures, whatever the status they come with: exception codes of the Partner WSDL, and DML status codes.
 * With a 400 Salesforce rolls the whole request back.
 */
const passing = [
  { code: DAILY_LIMIT, means: RATE_LIMITED, waitMs: DAILY_LIMIT_WAIT_MS },
  { code: ['REQUEST_LIMIT_EXCEEDED', 'TOO_MANY_APEX_REQUESTS'], means: RATE_LIMITED, waitMs: CONCURRENCY_WAIT_MS },
  { code: ['UNABLE_TO_LOCK_ROW', 'QUERY_TIMEOUT', 'FUNCTIONALITY_TEMPORARILY_UNAVAILABLE'], means: RETRYING },
  { code: ['ORG_IN_MAINTENANCE', 'ORG_LOCKED', 'SSO_SERVICE_DOWN'], means: RETRYING },
  { code: ['REQUEST_RUNNING_TOO_LONG', 'SERVER_UNAVAILABLE', 'UNKNOWN_EXCEPTION'], means: UNKNOWN },
] as const satisfies readonly FailureRow[]
const passingCodes: readonly string[] = passing.flatMap(({ code }) => code)

const ACCESS_CODES = ['INSUFFICIENT_ACCESS', 'INSUFFICIENT_ACCESS_OR_READONLY']

export const failures: readonly FailureRow[] = [
  ...passing,
  { code: 'INVALID_SESSION_ID', means: CREDENTIALS_EXPIRED },
  { code: 'DUPLICATE_USERNAME', means: USER_EXISTS, pointer: NAMED },
  // Salesforce makes up a nickname where none is given, and another one the next time.
  { code: GIVEN_NICKNAME, means: INVALID, pointer: nicknamePointer },
  { code: 'DUPLICATE_COMM_NICKNAME', means: RETRYING },
  { code: 'LICENSE_LIMIT_EXCEEDED', means: NO_SEAT, pointer: licensePointer },
  { code: ['API_DISABLED_FOR_ORG', 'FUNCTIONALITY_NOT_ENABLED'], means: NO_ACCESS },
  // "Currently": of a user without the right, and of an org whose API is away.
  { code: 'API_CURRENTLY_DISABLED', means: NO_ACCESS_IN_DOUBT },
  // With a field it is about what this request asks for; without one, about users as such.
  { code: ACCESS_CODES, field: /./, means: NOT_ALLOWED, pointer: NAMED },
  { code: ACCESS_CODES, means: NO_ACCESS_IN_DOUBT },
  { code: 'INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY', means: NOT_ALLOWED, pointer: NAMED },
  { code: 'INVALID_CROSS_REFERENCE_KEY', means: NOT_FOUND, pointer: NAMED },
  { code: 'INVALID_NEW_PASSWORD', means: PASSWORD_REJECTED, pointer: '/password' },
  { status: 400, means: INVALID, pointer: NAMED },
  { pointer: NAMED },
]

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

type SalesforceError = z.infer<typeof errorsSchema>[number]

/** The inner code counts: it is what stopped the trigger. */
function findPassingCode(errors: readonly SalesforceError[]): string | undefined {
  for (const { errorCode, message } of errors) {
    const inner = wrappingCodes.includes(errorCode) ? (message?.match(/\b[A-Z]+(?:_[A-Z]+)+\b/g) ?? []) : []
    const code = [...inner, errorCode].find((each) => passingCodes.includes(each))
    if (code !== undefined) return code
    if (LOCKED.test(message ?? '')) return 'UNABLE_TO_LOCK_ROW'
  }
  return undefined
}

export const isOwnAnswer = ({ body }: RemoteResponse): boolean => errorsSchema.safeParse(body).success

export function classifyFailure(response: RemoteResponse, input?: CreateInput): RemoteFailure {
  const errors = errorsSchema.safeParse(response.body).data ?? []
  const [first] = errors
  // A 2xx that cannot be read, and pages of gateways and of maintenance.
  if (!first || response.status < 300) return classifyByStatus(response)
  const said = errors
    .map((error) => error.message)
    .filter(Boolean)
    .join(' — ')
  const message = toPlainText(said || first.errorCode) || `Salesforce answered ${response.status}.`
  const fields = first.fields ?? []
  const pointer = toPointer(first.errorCode, fields, message, input)
  return classifyByTable(
    failures,
    response,
    { codes: codesOf(errors, first, message, input), fields, message, pointer },
    input,
  )
}

function codesOf(
  errors: readonly SalesforceError[],
  { errorCode }: SalesforceError,
  message: string,
  input: CreateInput | undefined,
): string[] {
  if (errorCode === 'REQUEST_LIMIT_EXCEEDED' && !/concurrent/i.test(message)) return [DAILY_LIMIT]
  const code = findPassingCode(errors) ?? errorCode
  return code === 'DUPLICATE_COMM_NICKNAME' && nicknamePointer(input) !== undefined ? [GIVEN_NICKNAME] : [code]
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
function licensePointer(input: CreateInput | undefined): string | undefined {
  const asksForFeature = Object.keys(input?.user.remote_data ?? {}).some((key) => /^userpermissions/i.test(key))
  return asksForFeature ? undefined : '/roles'
}

function nicknamePointer(input: CreateInput | undefined): string | undefined {
  return input && remoteFieldPointer(input, 'CommunityNickname')
}
