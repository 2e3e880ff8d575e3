import type { JsonObject } from '@muster/contracts/json'
import type { Warning } from '@muster/contracts/operation'
import type { InputProblem } from '@muster/contracts/problem'
import { primaryEmail } from '@muster/contracts/unified-user'
import { readNaturalKey } from '../engine/natural-key.ts'
import { pathOf } from '../engine/remote-request.ts'
import { primaryEmailPointer, warnOfFurtherEmails } from '../mapping/emails.ts'
import { firstText } from '../mapping/first-text.ts'
import { withRemoteData } from '../mapping/remote-data.ts'
import type { AccountContext, CreateInput, CreatePlan, NaturalKey, RemoteRequest } from '../provider.ts'
import { readAdminRoles, readNetworkRoles, type Place } from './roles.ts'

/** Chooses the kind of user where `remote_data` leaves it open; read by Muster and never passed on. */
const USER_TYPE_PARAMETER = 'meraki_user_type'
const userTypes = ['admin', 'network'] as const

/**
 * admin: a dashboard administrator of an organization. network: a person whom a network's splash page, 802.1X or client
 * VPN lets in.
 */
type UserType = (typeof userTypes)[number]

/** `authorizations` exists on network users only, and is required there. */
export function userTypeOf(input: CreateInput): UserType {
  const chosen = input.remoteQuery[USER_TYPE_PARAMETER]
  if (chosen === 'admin' || chosen === 'network') return chosen
  return input.user.remote_data?.authorizations === undefined ? 'admin' : 'network'
}

export function placeOf(input: CreateInput, { config }: AccountContext): Place {
  return {
    organizationId: input.organizationId ?? firstText(config.organization_id),
    networkId: input.workspaceId ?? firstText(config.workspace_id),
  }
}

const emailOf = ({ user }: CreateInput): string | undefined => firstText(user.remote_data?.email, primaryEmail(user))
const nameOf = ({ user }: CreateInput): string | undefined => firstText(user.remote_data?.name, user.name)

/**
 * Whether a refusal of the place is one of the whole account: its config names the place. A key's rights differ from
 * organization to organization, so one that only the request names must not stop the others.
 */
export function isPlaceOfAccount(input: CreateInput | undefined, account: AccountContext | undefined): boolean {
  if (input === undefined) return true
  const [asked, own] =
    userTypeOf(input) === 'network'
      ? [input.workspaceId, account?.config.workspace_id]
      : [input.organizationId, account?.config.organization_id]
  return asked === undefined || asked === own
}

/**
 * An address is unique within an organization (admins) or network, so the same person can be created in two of them at
 * once.
 */
export function toNaturalKey(input: CreateInput, account: AccountContext): NaturalKey {
  const { organizationId, networkId } = placeOf(input, account)
  const place = (userTypeOf(input) === 'network' ? networkId : organizationId) ?? ''
  const email = emailOf(input)
  return readNaturalKey(input, withRemoteData({ ...(email && { email }) }, input), ['email'], {
    pointer: primaryEmailPointer(input),
    fold: (address) => `${place}/${address.toLowerCase()}`,
  })
}

export function validate(input: CreateInput, account: AccountContext): InputProblem[] {
  const { roles = [], remote_data: remoteData } = input.user
  const problems: InputProblem[] = []
  const problem = (pointer: string, code: string, detail: string) => problems.push({ pointer, code, detail })
  if (emailOf(input) === undefined) problem('/emails', 'required', 'Meraki needs an e-mail address.')
  const chosen = input.remoteQuery[USER_TYPE_PARAMETER]
  if (chosen !== undefined && chosen !== 'admin' && chosen !== 'network')
    problem(`?remote_query[${USER_TYPE_PARAMETER}]`, 'invalid_value', `Must be one of: ${userTypes.join(', ')}.`)
  if (userTypeOf(input) === 'network') {
    const authorizations = remoteData?.authorizations
    const needed = 'A network user needs a list of authorizations, such as [{"ssidNumber": 1, "expiresAt": "Never"}].'
    if (!Array.isArray(authorizations) || authorizations.length === 0)
      problem('/remote_data/authorizations', 'required', needed)
    return [...problems, ...readNetworkRoles(roles).problems]
  }
  // A network user's name is needed only when the person is not a dashboard administrator, which is not known here.
  if (nameOf(input) === undefined) problem('/name', 'required', 'Meraki needs a name (or remote_data.name).')
  return [...problems, ...readAdminRoles(roles, placeOf(input, account)).problems]
}

/** Created by POST and listed by GET. */
function collectionPath(input: CreateInput, account: AccountContext): string {
  const { organizationId = '', networkId = '' } = placeOf(input, account)
  return userTypeOf(input) === 'network'
    ? pathOf`/api/v1/networks/${networkId}/merakiAuthUsers`
    : pathOf`/api/v1/organizations/${organizationId}/admins`
}

export function toCreateRequest(input: CreateInput, account: AccountContext): CreatePlan {
  const { [USER_TYPE_PARAMETER]: _, ...query } = input.remoteQuery
  const { body, warnings } = userTypeOf(input) === 'network' ? toNetworkUser(input) : toAdmin(input, account)
  return {
    request: {
      method: 'POST',
      path: collectionPath(input, account),
      ...(Object.keys(query).length > 0 && { query }),
      body: withRemoteData(body, input),
    },
    warnings: [...warnings, ...warnOfFurtherEmails(input.user, 'Meraki')],
  }
}

interface Draft {
  body: JsonObject
  warnings: Warning[]
}

/** createOrganizationAdmin: email, name and orgAccess are required. */
function toAdmin(input: CreateInput, account: AccountContext): Draft {
  const { roles = [], remote_data: remoteData = {} } = input.user
  const place = placeOf(input, account)
  const { access } = readAdminRoles(roles, place)
  const [email, name] = [emailOf(input), nameOf(input)]
  const warnings: Warning[] = []

  const isAccessGiven = roles.length > 0 || ['orgAccess', 'networks', 'tags'].some((key) => key in remoteData)
  if (!isAccessGiven && place.networkId !== undefined) {
    // The least access that lets a person in: whether Meraki takes an admin without any access is not documented.
    access.networks.push({ id: place.networkId, access: 'read-only' })
    const detail = `No role was given: read-only access to network ${place.networkId}, and none to the organization.`
    warnings.push({ code: 'derived', pointer: '/roles', detail })
  } else if (
    input.workspaceId !== undefined &&
    !JSON.stringify(remoteData.networks ?? access.networks).includes(JSON.stringify(input.workspaceId))
  ) {
    const detail = `No role is for network ${input.workspaceId}: no access to it was granted by name.`
    warnings.push({ code: 'not_sent', pointer: '?workspace_id', detail })
  }
  return {
    body: {
      ...(email && { email }),
      ...(name && { name }),
      orgAccess: access.orgAccess ?? 'none',
      ...(access.tags.length > 0 && { tags: access.tags }),
      ...(access.networks.length > 0 && { networks: access.networks }),
    },
    warnings,
  }
}

/** createNetworkMerakiAuthUser: everything beyond these comes from remote_data, authorizations first of all. */
function toNetworkUser(input: CreateInput): Draft {
  const [email, name] = [emailOf(input), nameOf(input)]
  const { isAdmin } = readNetworkRoles(input.user.roles ?? [])
  return { body: { ...(email && { email }), ...(name && { name }), ...(isAdmin && { isAdmin }) }, warnings: [] }
}

/** There is no look-up by address: the whole list comes, without pages for admins. */
export function toFindRequest(input: CreateInput, account: AccountContext): RemoteRequest {
  return { method: 'GET', path: collectionPath(input, account) }
}
