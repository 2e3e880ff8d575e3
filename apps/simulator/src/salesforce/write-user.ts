import type { VendorContext, VendorRequest, VendorResponse } from '../framework/vendor.ts'
import { ok, recordError, salesforceError } from './answers.ts'
import { normalizeId } from './identifiers.ts'
import type { Org, Row, SalesforceUser } from './org.ts'
import type { SalesforceSettings } from './settings.ts'
import { labelOf, picklistOf, REQUIRED, userFields, type Field } from './user-fields.ts'

const EMAIL = /^[^\s@]+@[^\s@]+\.[^\s@]+$/
/** The form of an e-mail address, in which several @ are allowed. */
const USERNAME = /^[^\s@]\S*@[^\s@]+\.[^\s@]+$/
const PREFIXES: Readonly<Record<string, string>> = {
  ProfileId: '00e',
  UserRoleId: '00E',
  ManagerId: '005',
  DelegatedApproverId: '005',
}

const DUPLICATE =
  'Duplicate Username.<br>The username already exists in this or another Salesforce organization. Usernames must be unique across all Salesforce organizations. ' +
  "To resolve, use a different username (it doesn't need to match the user's email address)."

function parseBody(body: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(body)
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
      ? (parsed as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

/** What is wrong with one value alone. Texts marked * are not recorded from REST. */
function checkValue(field: Field, value: unknown, settings: SalesforceSettings): VendorResponse | undefined {
  const { name, type, length } = field
  if (value === null) return undefined
  if ((type === 'boolean') !== (typeof value === 'boolean')) {
    return salesforceError(
      400,
      'JSON_PARSER_ERROR',
      `Cannot deserialize instance of ${type === 'boolean' ? 'boolean' : 'string'} from ${JSON.stringify(value)}`,
    ) // *
  }
  if (typeof value !== 'string') return undefined
  if (type === 'reference') {
    const prefix = PREFIXES[name]
    const id = normalizeId(value)
    return id === undefined || (prefix !== undefined && !id.startsWith(prefix))
      ? recordError('MALFORMED_ID', `${labelOf(name)}: id value of incorrect type: ${value}`, [name])
      : undefined
  }
  if (length > 0 && value.length > length)
    return recordError('STRING_TOO_LONG', `${labelOf(name)}: data value too large: ${value} (max length=${length})`, [
      name,
    ]) // *
  const picklist = picklistOf(name, settings)
  if (picklist !== undefined && !picklist.includes(value)) {
    return recordError(
      'INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST',
      `${labelOf(name)}: bad value for restricted picklist field: ${value}`,
      [name],
    )
  }
  if (type === 'email' && !EMAIL.test(value))
    return recordError('INVALID_EMAIL_ADDRESS', `${labelOf(name)}: invalid email address: ${value}`, [name])
  if (name === 'Username' && !USERNAME.test(value)) {
    return recordError(
      'FIELD_INTEGRITY_EXCEPTION',
      'Username must be in the form of an email address (for example, john@acme.com): Username',
      ['Username'],
    )
  }
  return undefined
}

/**
 * POST and PATCH of User. Check and commit are one synchronous step: two requests at once cannot both get a username.
 */
export function createUserWriter(context: VendorContext<SalesforceSettings>, org: Org) {
  const { settings } = context

  function readFields(request: VendorRequest): { given: Row } | VendorResponse {
    const body = parseBody(request.body)
    if (body === undefined)
      return salesforceError(400, 'JSON_PARSER_ERROR', 'Unexpected end-of-input: expected close marker for Object') // *
    const fields = new Map(userFields(settings()).map((field) => [field.name.toLowerCase(), field]))
    const given: Record<string, Row[string]> = {}
    const fixed: string[] = []
    for (const [key, value] of Object.entries(body)) {
      if (key === 'attributes') continue
      // Names of fields are taken in any case.
      const field = fields.get(key.toLowerCase())
      if (field === undefined)
        return salesforceError(400, 'INVALID_FIELD', `No such column '${key}' on sobject of type User`)
      if (!field.isCreateable) fixed.push(field.name)
      const wrong = checkValue(field, value, settings())
      if (wrong !== undefined) return wrong
      given[field.name] = (
        field.type === 'reference' && typeof value === 'string' ? normalizeId(value) : value === '' ? null : value
      ) as Row[string]
    }
    if (fixed.length > 0) {
      const message = `Unable to create/update fields: ${fixed.join(', ')}. Please check the security settings of this field and verify that it is read/write for your profile or permission set.`
      return recordError('INVALID_FIELD_FOR_INSERT_UPDATE', message, fixed)
    }
    return { given }
  }

  function checkReferences(values: Row): VendorResponse | undefined {
    const profile = org.profiles().find(({ id }) => id === values['ProfileId'])
    const role = org.roles().find(({ id }) => id === values['UserRoleId'])
    const isUnknown =
      (values['ProfileId'] && !profile) ||
      (values['UserRoleId'] && !role) ||
      [values['ManagerId'], values['DelegatedApproverId']].some((id) => typeof id === 'string' && !org.find(id))
    if (isUnknown) return recordError('INVALID_CROSS_REFERENCE_KEY', 'invalid cross reference id')
    if (profile && role && profile.user_type !== role.user_type)
      return recordError('FIELD_INTEGRITY_EXCEPTION', 'Role Type Must Match User Type', ['UserRoleId'])
    return undefined
  }

  /** Only active users take seats; `before` is the user as it was. */
  function checkSeats(values: Row, before?: Row): VendorResponse | undefined {
    if (values['IsActive'] === false) return undefined
    const full = recordError('LICENSE_LIMIT_EXCEEDED', 'License Limit Exceeded')
    const profile = org.profiles().find(({ id }) => id === values['ProfileId'])
    const license = settings().licenses.find(({ name }) => name === profile?.license)
    const isSeated = before?.['IsActive'] === true
    if (
      license &&
      !(isSeated && before['ProfileId'] === values['ProfileId']) &&
      org.usedLicenses(license.name) >= license.total
    )
      return full
    const isFeatureFull = Object.entries(settings().feature_licenses).some(
      ([flag, total]) =>
        values[flag] === true && !(isSeated && before[flag] === true) && org.usedFeatures(flag) >= total,
    )
    return isFeatureFull ? full : undefined
  }

  function create(request: VendorRequest): VendorResponse {
    if (!settings().may_create_users)
      return salesforceError(403, 'INSUFFICIENT_ACCESS_OR_READONLY', 'insufficient access rights on object id')
    const read = readFields(request)
    if (!('given' in read)) return read
    const { given } = read
    const missing = REQUIRED.filter((name) => given[name] === undefined || given[name] === null)
    if (missing.length > 0)
      return recordError('REQUIRED_FIELD_MISSING', `Required fields are missing: [${missing.join(', ')}]`, missing)
    const nickname = given['CommunityNickname']
    const refusal =
      checkReferences(given) ??
      (org.isUsernameTaken(String(given['Username']))
        ? recordError('DUPLICATE_USERNAME', DUPLICATE, ['Username'])
        : undefined) ??
      (typeof nickname === 'string' && org.isNicknameTaken(nickname)
        ? recordError(
            'DUPLICATE_COMM_NICKNAME',
            'Duplicate Nickname.<br>Another user has already selected this nickname.<br>Please select another.',
            ['CommunityNickname'],
          )
        : undefined) ??
      checkSeats(given)
    if (refusal !== undefined) return refusal
    const user = org.add(given, org.integrationUser.id, request.baseUrl)
    context.recordCreated(request, { id: user.id, key: String(user.values['Username']) })
    // The id, and nothing of the record.
    return ok({ id: user.id, success: true, errors: [] }, 201, {
      location: `${request.path.replace(/\/$/, '')}/${user.id}`,
    })
  }

  /** 204. Enough for activation and changes of profile; a changed username is checked for nothing but its form. */
  function update(request: VendorRequest, user: SalesforceUser): VendorResponse {
    const read = readFields(request)
    if (!('given' in read)) return read
    const after = { ...user.values, ...read.given }
    const refusal = checkReferences(after) ?? checkSeats(after, user.values)
    if (refusal !== undefined) return refusal
    org.change(user, read.given, org.integrationUser.id)
    return { status: 204 }
  }

  function setPassword(request: VendorRequest, user: SalesforceUser): VendorResponse {
    const password = parseBody(request.body)?.['NewPassword']
    if (typeof password !== 'string') return salesforceError(400, 'JSON_PARSER_ERROR', 'NewPassword is required') // *
    if (password.length < 8)
      return salesforceError(400, 'INVALID_NEW_PASSWORD', 'Your password must be at least 8 characters long.')
    if (!/[A-Za-z]/.test(password) || !/\d/.test(password))
      return salesforceError(400, 'INVALID_NEW_PASSWORD', 'Your password must have a mix of letters and numbers.')
    org.setPassword(user, password)
    return { status: 204 }
  }

  return { create, update, setPassword }
}
