import { z } from 'zod'
import { classifyByStatus } from '../src/engine/classify.ts'
import type { Connection } from '../src/engine/connection.ts'
import { isSuccess } from '../src/engine/connection.ts'
import { readNaturalKey } from '../src/engine/natural-key.ts'
import {
  RemoteFailureError,
  type CreateInput,
  type Provider,
  type RemoteFailure,
  type RemoteRequest,
  type RemoteResponse,
} from '../src/provider.ts'
import { json, text } from './conformance.ts'

const userSchema = z.looseObject({
  id: z.string(),
  login: z.string(),
  name: z.string(),
  created: z.string().nullable(),
})
export type TinyUser = z.infer<typeof userSchema>

/** The least adapter there can be, for what all adapters go through. */
export const tinyProvider: Provider = {
  id: 'okta',
  name: 'Tiny',
  documentationUrl: 'https://tiny.example/docs',
  authentications: {
    api_token: { kind: 'static', toHeaders: ({ api_token }) => ({ authorization: `Token ${api_token}` }) },
    client_credentials: {
      kind: 'token',
      toTokenRequest: async ({ client_id, client_secret }, account, baseUrl) => ({
        url: `${typeof account.config.token_url === 'string' ? account.config.token_url : baseUrl}/token`,
        form: { grant_type: 'client_credentials', client_id, client_secret },
      }),
      parseToken: (body) => {
        const token = z.object({ access_token: z.string(), base_url: z.string().optional() }).parse(body)
        return { value: token.access_token, expiresAt: null, ...(token.base_url ? { baseUrl: token.base_url } : {}) }
      },
      toHeaders: (token) => ({ authorization: `Bearer ${token.value}` }),
    },
  },
  configSchema: z.strictObject({}),
  defaultBaseUrl: 'https://api.tiny.example',
  hosts: { patterns: [/^[a-z]+\.tiny\.example$/], allowsCustomDomain: true },
  limits: { requests: 10, perSeconds: 1, concurrency: 1, source: 'made up' },
  callsPerCreate: 1,
  timeoutMs: 1_000,
  lookUpAfterMs: [500, 2_500],
  fields: { username: 'required', name: 'supported', remote_data: 'supported', password: 'supported' },
  parameters: {},
  responseFields: ['id', 'name', 'username', 'created_at'],
  quirks: [],
  validate: () => [],
  toNaturalKey: (input) =>
    readNaturalKey(input, { login: input.user.username ?? '' }, ['login'], {
      pointer: '/username',
      fold: (login) => login.toLowerCase(),
    }),
  toCreateRequest: ({ user, remoteQuery }) => ({
    request: {
      method: 'POST',
      path: '/users',
      query: remoteQuery,
      body: { login: user.username ?? '', name: user.name ?? '' },
    },
    warnings: [],
  }),
  parseCreated: (response) => {
    const user = userSchema.safeParse(response.body)
    return user.success ? { remoteId: user.data.id, body: user.data } : undefined
  },
  toUser: (body) => {
    const user = userSchema.parse(body)
    return { id: user.id, name: user.name, username: user.login, created_at: user.created }
  },
  toFindRequest: ({ user }) => ({ method: 'GET', path: `/users/${encodeURIComponent(user.username ?? '')}` }),
  parseFound: (response) => {
    const user = userSchema.safeParse(response.body)
    return user.success ? { remoteId: user.data.id, createdAt: user.data.created, body: user.data } : 'unreadable'
  },
  isAbsent: (response) => response.status === 404 && response.isJson,
  isOwnAnswer: (response) => response.isJson,
  toCheckRequest: () => ({ method: 'GET', path: '/users' }),
  failures: [],
  classifyFailure: (response) =>
    response.status === 409
      ? { code: 'user_exists', outcome: 'failed', message: 'The login is taken.' }
      : classifyByStatus(response),
  toRedirect: (response) => (response.status === 307 ? response.headers.location : undefined),
}

/** As Salesforce: a create answers an id only, and the record is read afterwards. */
export const tinyProviderThatReads: Provider = {
  ...tinyProvider,
  parseCreated: (response) => (isSuccess(response) ? { remoteId: (response.body as TinyUser).id } : undefined),
  toReadRequest: (remoteId) => ({ method: 'GET', path: `/by-id/${remoteId}` }),
}

export const tinyInput: CreateInput = { user: { username: 'ada', name: 'Ada Lovelace' }, remoteQuery: {} }

/** What becomes of one call. `lost`: no answer arrives. `crash`: this process ends. */
export type CreateFate =
  | 'answered'
  | 'lost after commit'
  | 'lost before commit'
  | 'commit after loss'
  | '500 after commit'
  | '500 before commit'
  | 'html after commit'
  | 'crash after commit'
  | 'crash before commit'
  | 'not connected'
  | 'throttled'
  | 'unauthorized'
  | 'account forbidden'
  | 'refused'
export type FindFate =
  'answered' | 'not connected' | 'lost' | '500' | 'throttled' | 'unauthorized' | 'refused' | 'html 404' | 'unreadable'

export class Crash extends Error {
  override readonly name = 'Crash'
}

const lost: RemoteFailure = { code: 'timeout', outcome: 'unknown', message: 'No answer.' }
const notConnected: RemoteFailure = {
  code: 'provider_unavailable',
  outcome: 'retrying',
  message: 'No connection.',
}

/**
 * A directory in memory behind a `Connection`. It takes two users with one login unless `isUnique`, so that nothing but
 * the attempts' own care keeps a user from being created twice.
 */
export function createTinyDirectory(
  options: {
    isUnique?: boolean
    tellsCreation?: boolean
    createFates?: CreateFate[]
    findFates?: FindFate[]
    readFate?: 'answered' | 'lost' | 'aborted' | '500'
  } = {},
) {
  const users: (TinyUser & { visibleAt: number })[] = []
  const log: string[] = []
  const createFates = [...(options.createFates ?? [])]
  const findFates = [...(options.findFates ?? [])]

  function commit(request: RemoteRequest, delayMs = 0): TinyUser {
    const at = Date.now() + delayMs
    const user = {
      id: `u${users.length + 1}`,
      login: String(request.body?.login),
      name: String(request.body?.name),
      created: options.tellsCreation === false ? null : new Date(at).toISOString(),
    }
    users.push({ ...user, visibleAt: at })
    return user
  }

  function create(request: RemoteRequest): RemoteResponse {
    const fate = createFates.shift() ?? 'answered'
    log.push(`create: ${fate}`)
    const isTaken = options.isUnique === true && users.some((user) => user.login === request.body?.login)
    if (isTaken && fate.includes('commit')) throw fate.startsWith('crash') ? new Crash() : new RemoteFailureError(lost)
    switch (fate) {
      case 'answered':
        return isTaken ? json(409, { error: 'taken' }) : json(201, commit(request))
      case 'lost after commit':
        commit(request)
        throw new RemoteFailureError(lost)
      case 'commit after loss':
        commit(request, 1_500)
        throw new RemoteFailureError(lost)
      case 'lost before commit':
        throw new RemoteFailureError(lost)
      case '500 after commit':
        commit(request)
        return text(500, 'oops')
      case '500 before commit':
        return text(500, 'oops')
      case 'html after commit':
        commit(request)
        return text(200, '<html>')
      case 'crash after commit':
        commit(request)
        throw new Crash()
      case 'crash before commit':
        throw new Crash()
      case 'not connected':
        throw new RemoteFailureError(notConnected)
      case 'throttled':
        return json(429, {}, { 'retry-after': '3' })
      case 'unauthorized':
        return json(401, {})
      case 'account forbidden':
        throw new RemoteFailureError({
          code: 'permission_denied',
          outcome: 'held',
          message: 'No right to create users.',
        })
      case 'refused':
        return json(400, { error: 'bad name' })
    }
  }

  function find(request: RemoteRequest): RemoteResponse {
    const fate = findFates.shift() ?? 'answered'
    const login = decodeURIComponent(request.path.split('/').at(-1) ?? '')
    const user = users.find((entry) => entry.login === login && entry.visibleAt <= Date.now())
    log.push(`find: ${fate === 'answered' ? (user ? 'found' : 'absent') : fate}`)
    switch (fate) {
      case 'answered':
        return user ? json(200, user) : json(404, {})
      case 'not connected':
        throw new RemoteFailureError(notConnected)
      case 'lost':
        throw new RemoteFailureError(lost)
      case '500':
        return text(500, 'oops')
      case 'throttled':
        return json(429, {})
      case 'unauthorized':
        return json(401, {})
      case 'refused':
        return json(403, {})
      case 'html 404':
        return text(404, '<html>')
      case 'unreadable':
        return json(200, { nothing: 'of ours' })
    }
  }

  const connection: Connection = {
    async write(_, request, sending) {
      await sending?.begin()
      return create(request)
    },
    async read(purpose, request) {
      if (purpose === 'find') return find(request)
      log.push(purpose)
      if (options.readFate === 'lost') throw new RemoteFailureError(lost)
      if (options.readFate === 'aborted') throw new DOMException('This operation was aborted', 'AbortError')
      if (options.readFate === '500') return text(500, 'oops')
      return json(200, users.find(({ id }) => request.path.endsWith(`/${id}`)) ?? null)
    },
    clockOffsetMs: () => 0,
  }
  return { connection, users, log, commit }
}
