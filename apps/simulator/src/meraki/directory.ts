import type { PasswordRecord } from '../framework/password.ts'
import type { Json } from '../framework/vendor.ts'

export interface Admin {
  readonly organizationId: string
  readonly createdMs: number
  readonly id: string
  readonly name: string
  /** Missing for some who were there before. */
  readonly email: string | undefined
  readonly orgAccess: string
  readonly accountStatus: string
  readonly tags: readonly { readonly tag: string; readonly access: string }[]
  readonly networks: readonly { readonly id: string; readonly access: string }[]
}

export interface NetworkUser {
  readonly organizationId: string
  readonly networkId: string
  readonly createdMs: number
  readonly id: string
  readonly email: string
  readonly name: string | null
  readonly accountType: string
  readonly isAdmin: boolean
  readonly authorizations: readonly { readonly ssidNumber: number | undefined; readonly expiresAt: string }[]
  readonly password: PasswordRecord
}

/** The id in the vendor's example of createOrganizationAdmin. */
const FIRST_ADMIN_ID = 212_406

export const isSameAddress = (one: string | undefined, other: string): boolean =>
  one?.toLowerCase() === other.toLowerCase()

export function createDirectory() {
  const admins: Admin[] = []
  const networkUsers: NetworkUser[] = []
  let nextAdminId = FIRST_ADMIN_ID
  return {
    admins,
    networkUsers,
    createAdminId: (): string => String(nextAdminId++),
    adminsOf: (organizationId: string) => admins.filter((admin) => admin.organizationId === organizationId),
    usersOf: (networkId: string) => networkUsers.filter((user) => user.networkId === networkId),
  }
}
export type Directory = ReturnType<typeof createDirectory>

/** In the order of the vendor's example. */
export const renderAdmin = (admin: Admin): Json => ({
  id: admin.id,
  name: admin.name,
  email: admin.email,
  orgAccess: admin.orgAccess,
  accountStatus: admin.accountStatus,
  twoFactorAuthEnabled: false,
  hasApiKey: false,
  // No one signs in here. The example shows a date; what a new admin has is not documented.
  lastActive: null,
  tags: admin.tags,
  networks: admin.networks,
  authenticationMethod: 'Email',
})

/** Six digits of a second's fraction, as in the vendor's example. */
const toTimestamp = (epochMs: number): string => new Date(epochMs).toISOString().replace('Z', '000Z')

export const renderNetworkUser = (user: NetworkUser): Json => ({
  id: user.id,
  email: user.email,
  name: user.name,
  createdAt: toTimestamp(user.createdMs),
  accountType: user.accountType,
  isAdmin: user.isAdmin,
  authorizations: user.authorizations.map(({ ssidNumber, expiresAt }) => ({
    ssidNumber,
    authorizedZone: ssidNumber === undefined ? undefined : `SSID ${ssidNumber}`,
    expiresAt,
    authorizedByName: 'Simulator Owner',
    authorizedByEmail: 'owner@simulator.example',
  })),
})

export const adminState = (admin: Admin): Json => ({
  type: 'admin',
  organization_id: admin.organizationId,
  ...(renderAdmin(admin) as Record<string, Json>),
})

export const networkUserState = (user: NetworkUser): Json => ({
  type: 'network',
  organization_id: user.organizationId,
  network_id: user.networkId,
  ...(renderNetworkUser(user) as Record<string, Json>),
  ...user.password,
})
