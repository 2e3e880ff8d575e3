import { mergeJson, type JsonObject } from '@muster/contracts/json'
import type { Warning } from '@muster/contracts/operation'
import type { InputProblem } from '@muster/contracts/problem'
import { primaryEmail } from '@muster/contracts/unified-user'
import type { AccountContext, CreateInput, CreatePlan, NaturalKey, RemoteRequest } from '../provider.ts'
import { readAdminRoles, readNetworkRoles } from './roles.ts'
import { collectionPath, networkIdOf, organizationIdOf, USER_TYPE_PARAMETER, userTypeOf, userTypes } from './target.ts'

function textOf(...candidates: unknown[]): string | undefined {
  return candidates.find((value): value is string => typeof value === 'string' && value !== '')
}

const emailOf = (input: CreateInput): string | undefined => textOf(input.user.remote_data?.email, primaryEmail(input.user))
const nameOf = (input: CreateInput): string | undefined => textOf(input.user.remote_data?.name, input.user.name)

export function validate(input: CreateInput, account: AccountContext): InputProblem[] {
  const problems: InputProblem[] = []
  if (emailOf(input) === undefined) problems.push({ pointer: '/emails', code: 'required', detail: 'Meraki needs an e-mail address.' })
  const chosen = input.remoteQuery[USER_TYPE_PARAMETER]
  if (chosen !== undefined && chosen !== 'admin' && chosen !== 'network') {
    problems.push({ pointer: `?remote_query[${USER_TYPE_PARAMETER}]`, code: 'invalid_value', detail: `Must be one of: ${userTypes.join(', ')}.` })
  }
  if (userTypeOf(input) === 'network') {
    const authorizations = input.user.remote_data?.authorizations
    if (!Array.isArray(authorizations) || authorizations.length === 0) {
      const detail = 'A network user needs a list of authorizations, such as [{"ssidNumber": 1, "expiresAt": "Never"}].'
      problems.push({ pointer: '/remote_data/authorizations', code: 'required', detail })
    }
    return [...problems, ...readNetworkRoles(input).problems]
  }
  // A network user's name is needed only when the person is no dashboard administrator, which nobody here knows.
  if (nameOf(input) === undefined) problems.push({ pointer: '/name', code: 'required', detail: 'Meraki needs a name (or remote_data.name).' })
  return [...problems, ...readAdminRoles(input, account).problems]
}

/** An address is unique within an organization (admins) or network, so the same person can be created in two of them at once. */
export function toNaturalKey(input: CreateInput, account: AccountContext): NaturalKey {
  const place = userTypeOf(input) === 'network' ? networkIdOf(input, account) : organizationIdOf(input, account)
  return { field: 'email', value: `${place ?? ''}/${(emailOf(input) ?? '').toLowerCase()}` }
}

export function toCreateRequest(input: CreateInput, account: AccountContext): CreatePlan {
  const { [USER_TYPE_PARAMETER]: _, ...query } = input.remoteQuery
  const { body, warnings } = userTypeOf(input) === 'network' ? toNetworkUser(input) : toAdmin(input, account)
  const emails = input.user.emails ?? []
  emails.forEach((entry, index) => {
    if (entry.email !== primaryEmail(input.user)) warnings.push({ code: 'not_sent', pointer: `/emails/${index}`, detail: 'Meraki keeps one address; this one was left out.' })
  })
  return {
    request: {
      method: 'POST',
      path: collectionPath(input, account),
      ...(Object.keys(query).length > 0 && { query }),
      body: mergeJson(body, input.user.remote_data ?? {}),
    },
    warnings,
  }
}

interface Draft {
  body: JsonObject
  warnings: Warning[]
}

/** createOrganizationAdmin: email, name and orgAccess are required. */
function toAdmin(input: CreateInput, account: AccountContext): Draft {
  const email = emailOf(input)
  const name = nameOf(input)
  const { access } = readAdminRoles(input, account)
  const remoteData = input.user.remote_data ?? {}
  const networkId = networkIdOf(input, account)
  const warnings: Warning[] = []

  const isAccessGiven = (input.user.roles?.length ?? 0) > 0 || ['orgAccess', 'networks', 'tags'].some((key) => remoteData[key] !== undefined)
  if (!isAccessGiven && networkId !== undefined) {
    // The least that lets somebody in: whether Meraki takes an admin without any access is not documented.
    access.networks.push({ id: networkId, access: 'read-only' })
    warnings.push({ code: 'derived', pointer: '/roles', detail: `No role was given: read-only access to network ${networkId}, and none to the organization.` })
  } else if (input.workspaceId !== undefined && !JSON.stringify(remoteData.networks ?? access.networks).includes(JSON.stringify(input.workspaceId))) {
    warnings.push({ code: 'not_sent', pointer: '?workspace_id', detail: `No role is for network ${input.workspaceId}: no access to it was granted by name.` })
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
  const email = emailOf(input)
  const name = nameOf(input)
  return { body: { ...(email && { email }), ...(name && { name }), ...(readNetworkRoles(input).isAdmin && { isAdmin: true }) }, warnings: [] }
}

/** There is no look-up by address: the whole list comes, without pages for admins. */
export function toFindRequest(input: CreateInput, account: AccountContext): RemoteRequest {
  return { method: 'GET', path: collectionPath(input, account) }
}

/** The address that a record must have to be the user of this input. */
export function isAddressOf(input: CreateInput, email: string): boolean {
  return email.toLowerCase() === emailOf(input)?.toLowerCase()
}
