import { z } from 'zod'
import type {
  RateLimitCharge,
  RequestKind,
  Vendor,
  VendorContext,
  VendorRequest,
  VendorResponse,
  VendorSample,
  VendorSimulator,
} from '../framework/vendor.ts'
import { valuesAt } from '../framework/vendor.ts'
import { createAccessTokens } from './access-tokens.ts'
import { createAnswers, duplicate, forbidden, googleError, JSON_TYPE, notFound, notYetComplete } from './answers.ts'
import { createGuard } from './authenticate.ts'
import { createCreateUser } from './create-user.ts'
import { choosePredicate, paginate } from './list-users.ts'
import { renderAdministrator, renderUser, select } from './render-user.ts'
import type { GoogleWorkspaceSettings } from './settings.ts'
import { settingsSchema } from './settings.ts'
import type { GoogleUser } from './users.ts'
import { createEtag, createUsers, toState, toTimestamp } from './users.ts'

const USERS = '/admin/directory/v1/users'

function readBody<Output>(schema: z.ZodType<Output>, body: string): Output | undefined {
  try {
    return schema.safeParse(JSON.parse(body)).data
  } catch {
    return undefined
  }
}

function createSimulator(context: VendorContext<GoogleWorkspaceSettings>): VendorSimulator {
  const { settings, now } = context
  const users = createUsers(now)
  const accessTokens = createAccessTokens(context)
  const guard = createGuard(context, accessTokens)
  const createUser = createCreateUser(context, users)

  const isSettled = (user: GoogleUser) => user.createdMs + settings().settling_ms <= now()
  const fields = (request: VendorRequest) => request.query.get('fields')
  const render = (request: VendorRequest, user: GoogleUser) =>
    renderUser(user, settings().customer_id, ['full', 'custom'].includes(request.query.get('projection') ?? 'basic'))

  function get(request: VendorRequest): VendorResponse {
    const userKey = request.parameters['userKey'] ?? ''
    const user = users.find(userKey)
    const administrator = settings().administrators.find(({ email }) => email === userKey.toLowerCase())
    if (user === undefined && administrator !== undefined)
      return {
        status: 200,
        headers: JSON_TYPE,
        body: select(renderAdministrator(administrator.email), fields(request)),
      }
    if (user !== undefined && !isSettled(user) && settings().settling_answer === 'forbidden') return forbidden()
    if (user === undefined || !isSettled(user)) return notFound('userKey')
    return {
      status: 200,
      headers: { ...JSON_TYPE, etag: user.etag },
      body: select(render(request, user), fields(request)),
    }
  }

  function list(request: VendorRequest): VendorResponse {
    const predicate = choosePredicate(request, settings().customer_id)
    if (predicate === undefined) return googleError(400, 'invalid', 'Invalid Input: query')
    const { page, nextPageToken } = paginate(
      request,
      users.all().filter((user) => isSettled(user) && predicate(user)),
    )
    const body = {
      kind: 'admin#directory#users',
      etag: createEtag(),
      // Left out, not empty, when no user is found.
      ...(page.length > 0 ? { users: page.map((user) => render(request, user)) } : {}),
      ...(nextPageToken === undefined ? {} : { nextPageToken }),
    }
    return { status: 200, headers: { ...JSON_TYPE, etag: body.etag }, body: select(body, fields(request)) }
  }

  /** A change to a user: refused while the user is still being made. */
  const change =
    (carryOut: (user: GoogleUser, request: VendorRequest) => VendorResponse) => (request: VendorRequest) => {
      const user = users.find(request.parameters['userKey'] ?? '')
      if (user === undefined) return notFound('userKey')
      if (!isSettled(user)) return notYetComplete()
      const response = carryOut(user, request)
      if (response.status < 300) user.etag = createEtag()
      return response
    }

  const remove = change((user) => {
    user.deletionTime = toTimestamp(now())
    return { status: 204 }
  })

  const makeAdmin = change((user, request) => {
    const body = readBody(z.looseObject({ status: z.boolean() }), request.body)
    if (body === undefined) return googleError(400, 'required', 'Required parameter: [resource.status]')
    user.isAdmin = body.status
    return { status: 204 }
  })

  const addAlias = change((user, request) => {
    const alias = readBody(z.looseObject({ alias: z.string() }), request.body)?.alias.toLowerCase()
    if (alias === undefined) return googleError(400, 'required', 'Required parameter: [resource.alias]')
    if (users.isAddressTaken(alias) || settings().groups.includes(alias)) return duplicate()
    users.addAlias(user, alias)
    return {
      status: 200,
      headers: JSON_TYPE,
      body: { kind: 'admin#directory#alias', id: user.id, etag: createEtag(), alias, primaryEmail: user.primaryEmail },
    }
  })

  return {
    routes: [
      { method: 'POST', path: '/token', kind: 'token', handle: accessTokens.trade },
      { method: 'POST', path: USERS, kind: 'create', handle: guard('manage', createUser) },
      { method: 'GET', path: USERS, kind: 'lookup', handle: guard('read', list) },
      { method: 'GET', path: `${USERS}/:userKey`, kind: 'lookup', handle: guard('read', get) },
      { method: 'DELETE', path: `${USERS}/:userKey`, kind: 'other', handle: guard('manage', remove) },
      { method: 'POST', path: `${USERS}/:userKey/makeAdmin`, kind: 'other', handle: guard('manage', makeAdmin) },
      { method: 'POST', path: `${USERS}/:userKey/aliases`, kind: 'other', handle: guard('manage', addAlias) },
    ],
    answers: createAnswers(context),

    charges(_request: VendorRequest, kind: RequestKind): readonly RateLimitCharge[] {
      if (kind === 'token') return []
      const queries = { bucket: 'queries', rule: settings().rate_limit }
      return kind === 'create' ? [{ bucket: 'creates', rule: settings().rate_limit_creates }, queries] : [queries]
    },

    // Recorded; how much of a limit is left is never shown.
    headers: () => ({ server: 'ESF', 'cache-control': 'private' }),

    state: () => ({ users: users.all().map(toState), groups: settings().groups }),
  }
}

const sample: VendorSample = {
  credentials: {
    type: 'refresh_token',
    client_id: '000000000000-simulator.apps.googleusercontent.com',
    client_secret: 'GOCSPX-SimulatorDemoSecret',
    refresh_token: '1//0SimulatorDemoRefreshToken-google',
  },
  // Google gives tokens at an address of its own; the simulator does so at its own.
  config: (baseUrl) => ({ base_url: baseUrl, token_url: `${baseUrl}/token` }),
  user: (login) => ({
    first_name: 'Ada',
    last_name: 'Lovelace',
    emails: [{ email: `${login}@example.com` }],
    password: 'Correct-Horse-9',
  }),
  loginsIn: (body) => valuesAt(body, 'primaryEmail'),
  foldLogin: (login) => login.toLowerCase(),
  foundUser: (primaryEmail) => ({ id: '7', primaryEmail }),
  limitSettings: (rule) => ({ rate_limit: rule, rate_limit_creates: rule }),
}

export const vendor: Vendor<GoogleWorkspaceSettings> = {
  id: 'google_workspace',
  settingsSchema,
  sample,
  createSimulator,
}
