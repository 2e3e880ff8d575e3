import type { Json } from '../framework/vendor.ts'
import type { GoogleUser } from './users.ts'

/**
 * The answer of an insert: exactly the recorded keys. No fullName, no emails, no suspended, and nothing else of what
 * was given.
 */
export const renderInserted = (user: GoogleUser, customerId: string) => ({
  kind: 'admin#directory#user',
  id: user.id,
  etag: user.etag,
  primaryEmail: user.primaryEmail,
  name: { givenName: user.name.givenName, familyName: user.name.familyName },
  isAdmin: false,
  isDelegatedAdmin: false,
  creationTime: user.creationTime,
  changePasswordAtNextLogin: user.given['changePasswordAtNextLogin'] ?? false,
  customerId,
  orgUnitPath: user.orgUnitPath,
  isMailboxSetup: false,
})

const listOf = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? value : [])

/** The answer of a get, in the recorded order. `customSchemas` is shown with projection=full or custom only. */
export function renderUser(user: GoogleUser, customerId: string, isFull: boolean) {
  const { emails, changePasswordAtNextLogin, suspended, archived, includeInGlobalAddressList, customSchemas, ...rest } =
    user.given
  // Every account has one beside its primary address.
  const testAlias = `${user.primaryEmail}.test-google-a.com`
  return {
    kind: 'admin#directory#user',
    id: user.id,
    etag: user.etag,
    primaryEmail: user.primaryEmail,
    name: { ...user.name, fullName: `${user.name.givenName} ${user.name.familyName}` },
    isAdmin: user.isAdmin,
    isDelegatedAdmin: false,
    // No one signs in here: the epoch means never.
    lastLoginTime: '1970-01-01T00:00:00.000Z',
    creationTime: user.creationTime,
    ...(user.deletionTime === null ? {} : { deletionTime: user.deletionTime }),
    agreedToTerms: false,
    suspended: suspended ?? false,
    archived: archived ?? false,
    changePasswordAtNextLogin: changePasswordAtNextLogin ?? false,
    ipWhitelisted: false,
    emails: [
      ...listOf(emails),
      { address: user.primaryEmail, primary: true },
      ...user.aliases.map((address) => ({ address })),
      { address: testAlias },
    ],
    ...rest,
    ...(user.aliases.length > 0 ? { aliases: user.aliases } : {}),
    nonEditableAliases: [testAlias],
    customerId,
    orgUnitPath: user.orgUnitPath,
    isMailboxSetup: true,
    isEnrolledIn2Sv: false,
    isEnforcedIn2Sv: false,
    includeInGlobalAddressList: includeInGlobalAddressList ?? true,
    ...(isFull && customSchemas !== undefined ? { customSchemas } : {}),
  }
}

/** The answer of a get for an administrator of the settings, who is a user like any other and keeps the address. */
export const renderAdministrator = (email: string) => ({
  kind: 'admin#directory#user',
  id: '100000000000000000001',
  primaryEmail: email,
  name: { givenName: 'Simulator', familyName: 'Administrator', fullName: 'Simulator Administrator' },
  isAdmin: true,
  creationTime: '2020-01-01T00:00:00.000Z',
  suspended: false,
  emails: [{ address: email, primary: true }],
})

/** Partial responses: top-level names of `fields=id,name/fullName,emails(address)`; nested values come whole. */
export function select<Body extends { readonly [key: string]: Json | undefined }>(
  body: Body,
  fields: string | null,
): { readonly [key: string]: Json | undefined } {
  if (fields === null || fields === '' || fields === '*') return body
  const names = fields
    .replace(/\([^)]*\)/g, '')
    .split(',')
    .map((name) => name.split('/', 1)[0]?.trim() ?? '')
  return Object.fromEntries(Object.entries(body).filter(([name]) => names.includes(name)))
}
