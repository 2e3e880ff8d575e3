import type { AccountContext, CreateInput } from '../provider.ts'

/** Chooses the kind of user where `remote_data` leaves it open; read by Muster and never passed on. */
export const USER_TYPE_PARAMETER = 'meraki_user_type'
export const userTypes = ['admin', 'network'] as const

/** admin: a dashboard administrator of an organization. network: a person whom a network's splash page, 802.1X or client VPN lets in. */
export type UserType = (typeof userTypes)[number]

/** `authorizations` exists on network users only, and is required there. */
export function userTypeOf(input: CreateInput): UserType {
  const chosen = input.remoteQuery[USER_TYPE_PARAMETER]
  if (chosen === 'admin' || chosen === 'network') return chosen
  return input.user.remote_data?.authorizations === undefined ? 'admin' : 'network'
}

export function organizationIdOf(input: CreateInput, account: AccountContext): string | undefined {
  return input.organizationId ?? configured(account, 'organization_id')
}

/** A workspace is a Meraki network. */
export function networkIdOf(input: CreateInput, account: AccountContext): string | undefined {
  return input.workspaceId ?? configured(account, 'workspace_id')
}

/** Created by POST and listed by GET. */
export function collectionPath(input: CreateInput, account: AccountContext): string {
  return userTypeOf(input) === 'network'
    ? `/api/v1/networks/${encodeURIComponent(networkIdOf(input, account) ?? '')}/merakiAuthUsers`
    : `/api/v1/organizations/${encodeURIComponent(organizationIdOf(input, account) ?? '')}/admins`
}

function configured(account: AccountContext, name: 'organization_id' | 'workspace_id'): string | undefined {
  const value = account.config[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}
