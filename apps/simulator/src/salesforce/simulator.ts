import type { RateLimitUsage } from '../framework/rate-limit.ts'
import type {
  Json,
  RequestKind,
  Route,
  Vendor,
  VendorContext,
  VendorRequest,
  VendorResponse,
  VendorSample,
  VendorSimulator,
} from '../framework/vendor.ts'
import { answers, notFound, ok, salesforceError } from './answers.ts'
import { createRequestId, normalizeId } from './identifiers.ts'
import { createOrg, type SalesforceUser } from './org.ts'
import { createQueries } from './run-query.ts'
import { createSessions } from './sessions.ts'
import { settingsSchema, type SalesforceSettings } from './settings.ts'
import { describeUser, userFields } from './user-fields.ts'
import { createUserWriter } from './write-user.ts'

const VERSION = '/services/data/:version'
const USERS = `${VERSION}/sobjects/User`
/** Summer '26 is 67; older ones stay callable for years (31 is the oldest that still is). */
const VERSIONS = Array.from({ length: 67 - 31 + 1 }, (_, index) => 31 + index)
const isVersion = (text = ''): boolean => VERSIONS.some((version) => text === `v${version}.0`)

/** What a request of User rows is for: a query for users, or a read of one, is a look-up. */
const kindOfQuery = (request: VendorRequest): RequestKind =>
  /\bFROM\s+User\b/i.test(request.query.get('q') ?? '') ? 'lookup' : 'other'

function createSimulator(context: VendorContext<SalesforceSettings>): VendorSimulator {
  const { settings } = context
  const org = createOrg(context)
  const sessions = createSessions(context, org)
  const writer = createUserWriter(context, org)
  const queries = createQueries(context, org)
  let lastUsage: RateLimitUsage | null = null

  const guard = (handle: Route['handle']): Route['handle'] =>
    sessions.guard((request) => (isVersion(request.parameters['version'] ?? 'v66.0') ? handle(request) : notFound()))
  const withUser = (handle: (request: VendorRequest, user: SalesforceUser) => VendorResponse) =>
    guard((request) => {
      const user = org.find(normalizeId(request.parameters['id'] ?? '') ?? '')
      return user === undefined ? notFound() : handle(request, user)
    })

  function read(request: VendorRequest, { id, values }: SalesforceUser): VendorResponse {
    const columns = userFields(settings()).map(({ name }) => name)
    const wanted = request.query.get('fields')?.split(',')
    const unknown = wanted?.find((name) => !columns.includes(name))
    if (unknown !== undefined)
      return salesforceError(400, 'INVALID_FIELD', `No such column '${unknown}' on sobject of type User`)
    const shown = columns.filter((name) => wanted === undefined || wanted.includes(name) || name === 'Id')
    const attributes = { type: 'User', url: `/services/data/${request.parameters['version']}/sobjects/User/${id}` }
    const modified = new Date(String(values['SystemModstamp']).replace('+0000', 'Z')).toUTCString()
    return ok({ attributes, ...Object.fromEntries(shown.map((name) => [name, values[name] ?? null])) }, 200, {
      'last-modified': modified,
    })
  }

  function resources({ parameters, baseUrl }: VendorRequest): VendorResponse {
    const path = `/services/data/${parameters['version']}`
    return ok({
      sobjects: `${path}/sobjects`,
      query: `${path}/query`,
      limits: `${path}/limits`,
      identity: `${baseUrl}/id/${org.id}/${org.integrationUser.id}`,
    })
  }

  function identity({ baseUrl }: VendorRequest): VendorResponse {
    const { id, values } = org.integrationUser
    const url = `${baseUrl}/id/${org.id}/${id}`
    return ok({
      id: url,
      asserted_user: true,
      user_id: id,
      organization_id: org.id,
      username: values['Username'],
      display_name: values['Name'],
      email: values['Email'],
      user_type: 'STANDARD',
      language: 'en_US',
      locale: 'en_US',
      urls: { rest: `${baseUrl}/services/data/v{version}/`, sobjects: `${baseUrl}/services/data/v{version}/sobjects/` },
      active: true,
    })
  }

  const listVersions = (): VendorResponse =>
    ok(
      VERSIONS.map((version) => ({
        label: `Version ${version}`,
        url: `/services/data/v${version}.0`,
        version: `${version}.0`,
      })),
    )
  const describe = (request: VendorRequest): VendorResponse =>
    ok(describeUser(settings(), request.path.replace(/\/describe\/?$/, '')))
  const describeAll = (request: VendorRequest): VendorResponse => {
    const objects = [
      ['User', '005', true],
      ['Profile', '00e', false],
      ['UserRole', '00E', false],
      ['UserLicense', '100', false],
    ] as const
    const sobjects = objects.map(([name, keyPrefix, createable]) => ({
      name,
      label: name,
      keyPrefix,
      createable,
      queryable: true,
      custom: false,
      deletable: false,
      urls: { sobject: `${request.path}/${name}` },
    }))
    return ok({ encoding: 'UTF-8', maxBatchSize: 200, sobjects })
  }
  const limits = (): VendorResponse => {
    const max = settings().rate_limit?.requests ?? 0
    return ok({ DailyApiRequests: { Max: max, Remaining: Math.max(0, (lastUsage?.remaining ?? max) - 1) } })
  }
  const resetPassword = (_request: VendorRequest, user: SalesforceUser): VendorResponse => {
    const NewPassword = `Reset${createRequestId().slice(0, 8)}1`
    org.setPassword(user, NewPassword)
    return ok({ NewPassword })
  }
  const get = (path: string, handle: Route['handle'], kind: Route['kind'] = 'other'): Route => ({
    method: 'GET',
    path,
    kind,
    handle,
  })

  return {
    routes: [
      { method: 'POST', path: '/services/oauth2/token', kind: 'token', handle: sessions.issue },
      { method: 'POST', path: '/services/oauth2/revoke', kind: 'other', handle: sessions.revoke },
      get('/id/:organization/:user', guard(identity)),
      // The one call of the API that needs no session.
      get('/services/data', listVersions),
      get('/services/data/', listVersions),
      get(VERSION, guard(resources)),
      get(`${VERSION}/`, guard(resources)),
      get(`${VERSION}/limits`, guard(limits)),
      get(`${VERSION}/query`, guard(queries.query), kindOfQuery),
      get(`${VERSION}/query/`, guard(queries.query), kindOfQuery),
      get(`${VERSION}/query/:locator`, guard(queries.more)),
      get(`${VERSION}/sobjects`, guard(describeAll)),
      { method: 'POST', path: USERS, kind: 'create', handle: guard(writer.create) },
      { method: 'POST', path: `${USERS}/`, kind: 'create', handle: guard(writer.create) },
      get(`${USERS}/describe`, guard(describe)),
      get(`${USERS}/:id`, withUser(read), 'lookup'),
      { method: 'PATCH', path: `${USERS}/:id`, kind: 'other', handle: withUser(writer.update) },
      get(
        `${USERS}/:id/password`,
        withUser(() => ok({ isExpired: false })),
      ),
      { method: 'POST', path: `${USERS}/:id/password`, kind: 'other', handle: withUser(writer.setPassword) },
      { method: 'DELETE', path: `${USERS}/:id/password`, kind: 'other', handle: withUser(resetPassword) },
    ],
    answers,

    // One allocation for the whole org; logins and the list of versions do not count.
    charges: ({ path }, kind) =>
      kind === 'token' || !path.startsWith('/services/data/v')
        ? []
        : [{ bucket: 'organization', rule: settings().rate_limit }],

    headers(_request, usage) {
      lastUsage = usage ?? lastUsage
      return {
        'x-request-id': createRequestId(),
        ...(usage === null ? {} : { 'sforce-limit-info': `api-usage=${usage.limit - usage.remaining}/${usage.limit}` }),
      }
    },

    state: () => ({
      // Without the integration user, who was there before anybody was created.
      users: org
        .users()
        .filter(({ id }) => id !== org.integrationUser.id)
        .map(({ id, values, password }): Json => ({ id, username: values['Username'], ...values, ...password })),
      integration_user: org.integrationUser.id,
      profiles: org.profiles(),
      roles: org.roles(),
      used_licenses: Object.fromEntries(settings().licenses.map(({ name }) => [name, org.usedLicenses(name)])),
    }),
  }
}

const sample: VendorSample = {
  credentials: {
    type: 'refresh_token',
    client_id: '3MVG9SimulatorDemoApp',
    client_secret: 'SimulatorDemoSecret-salesforce',
    refresh_token: '5Aep861SimulatorDemoRefreshToken',
  },
  config: (baseUrl) => ({ base_url: baseUrl }),
  user: (login) => ({
    first_name: 'Ada',
    last_name: 'Lovelace',
    emails: [{ email: `${login}@example.com` }],
    roles: [{ name: 'Standard User' }],
    timezone: 'Europe/London',
  }),
  // Names of fields are taken in any case.
  loginsIn: (body) =>
    Object.entries(body).flatMap(([name, value]) => (name.toLowerCase() === 'username' ? [value ?? null] : [])),
  foldLogin: (login) => login.toLowerCase(),
  foundUser: (Username) => ({ records: [{ Id: '7', Username }] }),
  limitSettings: (rule) => ({ rate_limit: rule }),
}

export const vendor: Vendor<SalesforceSettings> = { id: 'salesforce', settingsSchema, sample, createSimulator }
