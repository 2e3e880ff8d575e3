import type { JsonObject } from '@muster/contracts/json'
import type { Warning } from '@muster/contracts/operation'
import { warnOfFurtherEmails } from '../mapping/emails.ts'
import type { AccountContext, CreateInput, CreatePlan, RemoteRequest } from '../provider.ts'
import { emailOf, nameOf, withRemoteData } from './identity.ts'
import { readAdminRoles, readNetworkRoles } from './roles.ts'
import { collectionPath, networkIdOf, USER_TYPE_PARAMETER, userTypeOf } from './target.ts'

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
  const email = emailOf(input)
  const name = nameOf(input)
  const { access } = readAdminRoles(input, account)
  const remoteData = input.user.remote_data ?? {}
  const networkId = networkIdOf(input, account)
  const warnings: Warning[] = []

  const isAccessGiven =
    (input.user.roles?.length ?? 0) > 0 ||
    ['orgAccess', 'networks', 'tags'].some((key) => remoteData[key] !== undefined)
  if (!isAccessGiven && networkId !== undefined) {
    // The least that lets somebody in: whether Meraki takes an admin without any access is not documented.
    access.networks.push({ id: networkId, access: 'read-only' })
    warnings.push({
      code: 'derived',
      pointer: '/roles',
      detail: `No role was given: read-only access to network ${networkId}, and none to the organization.`,
    })
  } else if (
    input.workspaceId !== undefined &&
    !JSON.stringify(remoteData.networks ?? access.networks).includes(JSON.stringify(input.workspaceId))
  ) {
    warnings.push({
      code: 'not_sent',
      pointer: '?workspace_id',
      detail: `No role is for network ${input.workspaceId}: no access to it was granted by name.`,
    })
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
  return {
    body: { ...(email && { email }), ...(name && { name }), ...(readNetworkRoles(input).isAdmin && { isAdmin: true }) },
    warnings: [],
  }
}

/** There is no look-up by address: the whole list comes, without pages for admins. */
export function toFindRequest(input: CreateInput, account: AccountContext): RemoteRequest {
  return { method: 'GET', path: collectionPath(input, account) }
}
