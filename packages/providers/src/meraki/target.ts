import { firstText } from '../mapping/first-text.ts'
import { pathOf } from '../engine/remote-request.ts'
import type { AccountContext, CreateInput } from '../provider.ts'

/** Chooses the kind of user where `remote_data` leaves it open; read by Muster and never passed on. */
export const USER_TYPE_PARAMETER = 'meraki_user_type'
export const userTypes = ['admin', 'network'] as const

/**
 * admin: a dashboard administrator of an organization. network: a person whom a network's splash page, 802.1X or client
 * VPN lets in.
 */
export type UserType = (typeof userTypes)[number]

/** `authorizations` exists on network users only, and is required there. */
export function userTypeOf(input: CreateInput): UserType {
  const chosen = input.remoteQuery[USER_TYPE_PARAMETER]
  if (chosen === 'admin' || chosen === 'network') return chosen
  return input.user.remote_data?.authorizations === undefined ? 'admin' : 'network'
}

export function organizationIdOf(input: CreateInput, account: AccountContext): string | undefined {
  return input.organizationId ?? firstText(account.config.organization_id)
}

/** A workspace is a Meraki network. */
export function networkIdOf(input: CreateInput, account: AccountContext): string | undefined {
  return input.workspaceId ?? firstText(account.config.workspace_id)
}

/** Created by POST and listed by GET. */
export function collectionPath(input: CreateInput, account: AccountContext): string {
  return userTypeOf(input) === 'network'
    ? pathOf`/api/v1/networks/${networkIdOf(input, account) ?? ''}/merakiAuthUsers`
    : pathOf`/api/v1/organizations/${organizationIdOf(input, account) ?? ''}/admins`
}

/**
 * Whether a refusal of the place is one of the whole account: its config names the place. A key's rights differ from
 *   organization to organization, so one
 * that only the request names must not stop the others.
 */
export function isPlaceOfAccount(input: CreateInput | undefined, account: AccountContext | undefined): boolean {
  if (input === undefined) return true
  const [asked, own] =
    userTypeOf(input) === 'network'
      ? [input.workspaceId, account?.config.workspace_id]
      : [input.organizationId, account?.config.organization_id]
  return asked === undefined || asked === own
}
