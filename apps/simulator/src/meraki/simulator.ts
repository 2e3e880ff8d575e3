import type {
  Json,
  RateLimitCharge,
  RequestKind,
  Vendor,
  VendorContext,
  VendorRequest,
  VendorSample,
  VendorSimulator,
} from '../framework/vendor.ts'
import { valuesAt } from '../framework/vendor.ts'
import { createAccessTokens } from './access-tokens.ts'
import { createAnswers, notFound, requestIdHeaders } from './answers.ts'
import { createGuard, findOrganization } from './authenticate.ts'
import { createCreateAdmin } from './create-admin.ts'
import { createCreateNetworkUser } from './create-network-user.ts'
import { adminState, createDirectory, networkUserState, renderAdmin, renderNetworkUser } from './directory.ts'
import type { MerakiSettings, Organization } from './settings.ts'
import { settingsSchema } from './settings.ts'
import { isForShard } from './shard.ts'

const ORGANIZATION = '/api/v1/organizations/:organizationId'
const NETWORK = '/api/v1/networks/:networkId'

const renderOrganization = ({ id, name }: Organization): Json => ({ id, name })
const renderNetwork = (
  organization: Organization,
  { id, name, is_wireless }: Organization['networks'][number],
): Json => ({
  id,
  organizationId: organization.id,
  name,
  productTypes: [is_wireless ? 'wireless' : 'appliance'],
})

function createSimulator(context: VendorContext<MerakiSettings>): VendorSimulator {
  const { settings, now } = context
  const directory = createDirectory()
  for (const { organization_id, name, email } of settings().existing_admins) {
    const given = {
      organizationId: organization_id,
      name,
      email,
      orgAccess: 'full',
      accountStatus: 'ok',
      tags: [],
      networks: [],
    }
    directory.admins.push({ ...given, id: directory.createAdminId(), createdMs: 0 })
  }
  const accessTokens = createAccessTokens(context)
  const { guard, listOrganizations } = createGuard(context, accessTokens)
  const createAdmin = createCreateAdmin(context, directory)
  const createNetworkUser = createCreateNetworkUser(context, directory)
  const isListed = ({ createdMs }: { readonly createdMs: number }) => createdMs <= now() - settings().list_lag_ms

  /** What only leads elsewhere must not use up a fault meant for a create. */
  const unlessRedirected = (kind: RequestKind) => (request: VendorRequest) =>
    isForShard(request, settings()) ? 'other' : kind

  return {
    routes: [
      { method: 'POST', path: '/oauth/token', kind: 'token', handle: accessTokens.issue },
      {
        method: 'GET',
        path: '/api/v1/organizations',
        kind: 'other',
        handle: (request) => {
          const found = listOrganizations(request)
          return 'status' in found ? found : { status: 200, body: found.map(renderOrganization) }
        },
      },
      {
        method: 'GET',
        path: ORGANIZATION,
        kind: 'other',
        handle: guard('dashboard:general:config:read', (_request, organization) => ({
          status: 200,
          body: renderOrganization(organization),
        })),
      },
      {
        method: 'GET',
        path: `${ORGANIZATION}/networks`,
        kind: 'other',
        handle: guard('dashboard:general:config:read', (_request, organization) => ({
          status: 200,
          body: organization.networks.map((network) => renderNetwork(organization, network)),
        })),
      },
      {
        method: 'GET',
        path: `${ORGANIZATION}/admins`,
        kind: unlessRedirected('lookup'),
        handle: guard('dashboard:iam:config:read', (request, organization) => {
          const wanted = request.query.getAll('networkIds[]')
          const admins = directory.adminsOf(organization.id).filter(isListed)
          const chosen =
            wanted.length === 0
              ? admins
              : admins.filter(({ networks }) => networks.some(({ id }) => wanted.includes(id)))
          return { status: 200, body: chosen.map(renderAdmin) }
        }),
      },
      {
        method: 'POST',
        path: `${ORGANIZATION}/admins`,
        kind: unlessRedirected('create'),
        handle: guard('dashboard:iam:config:write', createAdmin),
      },
      {
        method: 'GET',
        path: NETWORK,
        kind: 'other',
        handle: guard('dashboard:general:config:read', (request, organization) => {
          const network = organization.networks.find(({ id }) => id === request.parameters['networkId'])
          return network === undefined ? notFound() : { status: 200, body: renderNetwork(organization, network) }
        }),
      },
      {
        method: 'GET',
        path: `${NETWORK}/merakiAuthUsers`,
        kind: unlessRedirected('lookup'),
        handle: guard('dashboard:general:config:read', (request) => ({
          status: 200,
          body: directory
            .usersOf(request.parameters['networkId'] ?? '')
            .filter(isListed)
            .map(renderNetworkUser),
        })),
      },
      {
        method: 'GET',
        path: `${NETWORK}/merakiAuthUsers/:id`,
        kind: unlessRedirected('lookup'),
        handle: guard('dashboard:general:config:read', (request) => {
          const user = directory
            .usersOf(request.parameters['networkId'] ?? '')
            .filter(isListed)
            .find(({ id }) => id === request.parameters['id'])
          return user === undefined ? notFound() : { status: 200, body: renderNetworkUser(user) }
        }),
      },
      {
        method: 'POST',
        path: `${NETWORK}/merakiAuthUsers`,
        kind: unlessRedirected('create'),
        handle: guard('dashboard:general:config:write', createNetworkUser),
      },
    ],
    answers: createAnswers(context),

    /** The organization's own allowance is spent on its shard. */
    charges(request, kind): readonly RateLimitCharge[] {
      if (kind === 'token') return []
      const address = { bucket: 'address', rule: settings().rate_limit_per_address }
      const organization = isForShard(request, settings()) ? undefined : findOrganization(request, settings())
      return organization === undefined
        ? [address]
        : [{ bucket: `organization ${organization.id}`, rule: settings().rate_limit }, address]
    },

    headers: requestIdHeaders,

    state: () => ({
      users: [...directory.admins.map(adminState), ...directory.networkUsers.map(networkUserState)],
      organizations: settings().organizations,
    }),
  }
}

const sample: VendorSample = {
  credentials: { type: 'api_key', api_key: 'SimulatorDemoKey-meraki' },
  config: (baseUrl) => ({ base_url: baseUrl, organization_id: '549236', workspace_id: 'N_24329156' }),
  user: (login) => ({
    name: 'Ada Lovelace',
    emails: [{ email: `${login}@example.com` }],
    roles: [{ name: 'read-only' }],
  }),
  loginsIn: (body) => valuesAt(body, 'email'),
  foldLogin: (login) => login.toLowerCase(),
  foundUser: (email) => [
    { id: '1', email: 'other@acme.example' },
    { id: '7', email },
  ],
  listsAllUsers: true,
  hidesCreationTime: true,
  limitSettings: (rule) => ({
    rate_limit: rule && { ...rule, burst: rule.requests },
    rate_limit_per_address: null,
  }),
}

export const vendor: Vendor<MerakiSettings> = { id: 'cisco_meraki', settingsSchema, sample, createSimulator }
