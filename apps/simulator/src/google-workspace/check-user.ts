import { z } from 'zod'
import type { VendorResponse } from '../framework/vendor.ts'
import { googleError, invalid } from './answers.ts'
import type { GoogleWorkspaceSettings } from './settings.ts'

/** Fields of User that an insert may set, and those that it ignores (discovery document). */
const SETTABLE = (
  'primaryEmail password hashFunction name orgUnitPath suspended archived changePasswordAtNextLogin ipWhitelisted includeInGlobalAddressList ' +
  'emails phones addresses organizations relations externalIds ims websites locations keywords notes gender languages posixAccounts ' +
  'sshPublicKeys customSchemas recoveryEmail recoveryPhone guestAccountInfo isGuestUser'
).split(' ')
const READ_ONLY = (
  'kind id etag isAdmin isDelegatedAdmin aliases nonEditableAliases creationTime deletionTime lastLoginTime agreedToTerms suspensionReason ' +
  'suspensionTime archivalTime customerId isMailboxSetup isEnrolledIn2Sv isEnforcedIn2Sv thumbnailPhotoUrl thumbnailPhotoEtag'
).split(' ')

const HASH_FUNCTIONS = ['MD5', 'SHA-1', 'crypt']
const ADDRESS = /^(?!\.|.*\.\.|.*\.@)[a-z0-9_'.-]+@([a-z0-9-]+(\.[a-z0-9-]+)+)$/i

const list = z.array(z.looseObject({ primary: z.boolean().optional() })).optional()
const bodySchema = z.looseObject({
  primaryEmail: z.string().optional(),
  password: z.string().optional(),
  hashFunction: z.string().optional(),
  name: z
    .looseObject({
      givenName: z.string().optional(),
      familyName: z.string().optional(),
      displayName: z.string().optional(),
    })
    .default({}),
  orgUnitPath: z.string().optional(),
  suspended: z.boolean().optional(),
  archived: z.boolean().optional(),
  changePasswordAtNextLogin: z.boolean().optional(),
  emails: z.array(z.looseObject({ address: z.string(), primary: z.boolean().optional() })).optional(),
  phones: list,
  languages: z
    .array(
      z.looseObject({
        languageCode: z.string().optional(),
        customLanguage: z.string().optional(),
        preference: z.string().optional(),
      }),
    )
    .optional(),
  customSchemas: z.record(z.string(), z.json()).optional(),
  recoveryPhone: z.string().optional(),
})
export type Body = z.output<typeof bodySchema>

/** Undefined for what is not JSON. */
function parseJson(text: string): unknown {
  try {
    return text === '' ? {} : JSON.parse(text)
  } catch {
    return undefined
  }
}

export function parseBody(
  text: string,
  settings: GoogleWorkspaceSettings,
): { readonly body: Body } | { readonly refusal: VendorResponse } {
  const refuse = (reason: string, message: string) => ({ refusal: googleError(400, reason, message) })
  const json = parseJson(text)
  if (json === undefined) return refuse('parseError', 'Parse Error')
  const body = bodySchema.safeParse(json)
  // Recorded in form only ("Bad request for …"), as is every text below that is marked *.
  if (!body.success)
    return refuse('invalidInput', `Invalid Input: Bad request for ${body.error.issues[0]?.path.join('.') ?? 'user'}`)
  const unknown = Object.keys(body.data).find((name) => !SETTABLE.includes(name) && !READ_ONLY.includes(name))
  if (unknown !== undefined && !settings.ignores_unknown_fields)
    return refuse('badRequest', `Invalid JSON payload received. Unknown name "${unknown}"`) // *
  return { body: body.data }
}

/**
 * What is kept of the body beyond the fields that have a place of their own; read-only and unknown ones are lost in
 * silence.
 */
export function readGiven(body: Body): Record<string, unknown> {
  const placed = ['primaryEmail', 'password', 'hashFunction', 'name', 'orgUnitPath']
  return Object.fromEntries(Object.entries(body).filter(([name]) => SETTABLE.includes(name) && !placed.includes(name)))
}

export const domainOf = (address: string): string => address.slice(address.lastIndexOf('@') + 1).toLowerCase()

const isName = (name: string | undefined): boolean => name !== undefined && name.trim() !== '' && name.length <= 60
const isPassword = (password: string | undefined): boolean =>
  password !== undefined && /^[\x20-\x7e]{8,100}$/.test(password)

/** Undefined when Google would take the fields. The family name comes first: an empty body is refused for it. */
export function checkFields(body: Body, settings: GoogleWorkspaceSettings): VendorResponse | undefined {
  if (!isName(body.name.familyName)) return invalid('Invalid Given/Family Name: FamilyName')
  if (!isName(body.name.givenName)) return invalid('Invalid Given/Family Name: GivenName')
  if (body.primaryEmail === undefined || !ADDRESS.test(body.primaryEmail))
    return invalid('Invalid Input: primary_user_email')
  if (body.hashFunction === undefined ? !isPassword(body.password) : !body.password) return invalid('Invalid Password')
  if (body.hashFunction !== undefined && !HASH_FUNCTIONS.includes(body.hashFunction))
    return invalid('Invalid Input: hash_function') // *
  if (body.orgUnitPath !== undefined && !settings.org_units.includes(body.orgUnitPath))
    return invalid('Invalid Input: INVALID_OU_ID')
  if (Object.keys(body.customSchemas ?? {}).some((name) => !settings.custom_schemas.includes(name)))
    return invalid('Invalid Input: custom_schema')
  if (body.recoveryPhone !== undefined && !/^\+[1-9]\d{3,14}$/.test(body.recoveryPhone))
    return invalid('Invalid Input: recovery_phone') // *
  for (const name of ['emails', 'phones'] as const) {
    if ((body[name]?.filter((entry) => entry.primary).length ?? 0) > 1)
      return googleError(400, 'invalidInput', `Invalid Input: Bad request for ${name}`) // *
  }
  // A custom language excludes a code and a preference (discovery document).
  if (
    body.languages?.some(
      (entry) =>
        entry.customLanguage !== undefined && (entry.languageCode !== undefined || entry.preference !== undefined),
    )
  ) {
    return googleError(400, 'invalidInput', 'Invalid Input: Bad request for languages') // *
  }
  const primary = body.primaryEmail.toLowerCase()
  if (settings.refuses_primary_in_emails && body.emails?.some((entry) => entry.address.toLowerCase() === primary))
    return invalid('Invalid Input: primary_user_email') // *
  return undefined
}
