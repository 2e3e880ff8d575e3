import { placeIdSchema } from '@muster/contracts/create-user-parameters'
import { z } from 'zod'
import type { Provider } from '../provider.ts'
import { merakiAuthentications } from './authentication.ts'
import { classifyFailure, failures, isOwnAnswer } from './errors.ts'
import { pathOf } from '../engine/remote-request.ts'
import { toCreateRequest, toFindRequest, toNaturalKey, validate } from './request.ts'
import { merakiHosts, parseCreated, parseFound, toRedirect, toUser } from './response.ts'

export const meraki: Provider = {
  id: 'cisco_meraki',
  name: 'Cisco Meraki',
  documentationUrl: 'https://developer.cisco.com/meraki/api-v1/create-organization-admin/',
  authentications: merakiAuthentications,
  configSchema: z.strictObject({
    organization_id: placeIdSchema
      .optional()
      .meta({ description: 'Stands in for the query parameter organization_id.' }),
    workspace_id: placeIdSchema.optional().meta({
      description: 'Stands in for the query parameter workspace_id: the id of a network, such as N_24329156.',
    }),
  }),
  defaultBaseUrl: 'https://api.meraki.com',
  hosts: merakiHosts,
  limits: {
    requests: 10,
    perSeconds: 1,
    // An older 429 was about more than ten connections of one address (CiscoDevNet/ansible-meraki).
    concurrency: 8,
    source:
      "Meraki's RateLimit page: 10 a second for one organization, shared by all its API applications; 10 more in the first second are left to the others.",
  },
  callsPerCreate: 1,
  // The vendor's SDK waits as long.
  timeoutMs: 60_000,
  // The list is read right after the create by the vendor's Terraform provider, which fails if the admin is missing, so
  // no lag is expected; a create that is sent again too early is refused as a duplicate.
  lookUpAfterMs: [1_000, 5_000],
  fields: { name: 'supported', emails: 'supported', roles: 'supported', remote_data: 'supported' },
  parameters: { organization_id: 'required', workspace_id: 'required' },
  responseFields: [
    'id',
    'name',
    'emails',
    'status',
    'is_email_verified',
    'is_2fa_enabled',
    'roles',
    'organizations',
    'licenses',
    'workspaces',
    'created_at',
    'last_active_at',
  ],
  quirks: [
    'Creates a dashboard administrator of organization_id; without roles, one with read-only access to the network workspace_id and none to the organization.',
    'With remote_data.authorizations (or remote_query[meraki_user_type]=network) a network user of workspace_id is created instead: a Meraki Authentication user, whose password, if any, goes into remote_data.',
    'A role without a scope counts for workspace_id; give it organization for the whole organization, workspace for another network, group for all networks with a tag.',
    'Meraki mails every new admin, who cannot enter before confirming: the status is invited until then.',
    'Meraki does not show when an admin was created, so after a lost answer an admin with the same name and address counts as adopted.',
    'The rate limit is shared with every other API application of the organization: lower the limits of the account where those need room.',
    'Requests are redirected to the shard of the organization, which is followed to hosts of Meraki only.',
  ],
  validate,
  toNaturalKey,
  toCreateRequest,
  parseCreated,
  toUser,
  toFindRequest,
  parseFound,
  // A 404 says that the organization or network is not there for these credentials, and so nothing of the user: no
  // `isAbsent`.
  isOwnAnswer,
  sendsBareNotFound: true,
  // Listing admins needs the right that the look-up needs.
  toCheckRequest: ({ config }) => ({
    method: 'GET',
    path:
      typeof config.organization_id === 'string'
        ? pathOf`/api/v1/organizations/${config.organization_id}/admins`
        : '/api/v1/organizations',
  }),
  failures,
  classifyFailure,
  toRedirect,
}
