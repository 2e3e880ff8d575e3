import { describePassword } from '../framework/password.ts'
import type {
  Route,
  Vendor,
  VendorContext,
  VendorRequest,
  VendorResponse,
  VendorSample,
  VendorSimulator,
} from '../framework/vendor.ts'
import { valuesAt } from '../framework/vendor.ts'
import { createAnswers, noPermission, noResult, rateLimitHeaders } from './answers.ts'
import { createCreateUser } from './create-user.ts'
import { renderCreated, renderGroup, renderUser } from './render.ts'
import type { ActiveCampaignSettings } from './settings.ts'
import { settingsSchema } from './settings.ts'
import type { ActiveCampaignUser } from './users.ts'
import { createUsers, toState } from './users.ts'

const USERS = '/api/3/users'
const GROUPS = '/api/3/groups'

function createSimulator(context: VendorContext<ActiveCampaignSettings>): VendorSimulator {
  const { settings, now } = context
  const users = createUsers(settings)
  const owner: ActiveCampaignUser = {
    ...settings().owner,
    id: users.nextId(),
    group: String(settings().owner.group),
    password: describePassword(undefined),
    createdAt: now(),
  }
  users.add(owner)
  const answers = createAnswers(context)
  const createUser = createCreateUser(context, users)

  const findGroup = (id: string) => settings().groups.find((group) => String(group.id) === id)
  const isVisible = (user: ActiveCampaignUser) => user === owner || user.createdAt + settings().lookup_lag_ms <= now()

  /** The key acts as the owner: it ends with the owner, and may do what the owner's group may. */
  function guard(handle: Route['handle'], needsUserRights = false): Route['handle'] {
    return (request) => {
      const token = request.headers['api-token']
      const isKnown =
        typeof token === 'string' && settings().api_tokens.includes(token) && users.find(owner.id) !== undefined
      if (!isKnown) return answers.expiredToken(request)
      if (needsUserRights && findGroup(String(settings().owner.group))?.can_manage_users !== true) return noPermission()
      return handle(request)
    }
  }

  const answerUser = (request: VendorRequest, asked: string, user: ActiveCampaignUser | undefined): VendorResponse =>
    user !== undefined && isVisible(user)
      ? { status: 200, body: { user: renderUser(user, request.baseUrl) } }
      : noResult(settings().absent_status, 'User', asked)

  /** 20 a page, at most 100; the total is text. */
  function list({ query, baseUrl }: VendorRequest): VendorResponse {
    const limit = Math.min(Math.max(Number(query.get('limit') ?? 20) || 20, 1), 100)
    const offset = Math.max(Number(query.get('offset') ?? 0) || 0, 0)
    const visible = users.all().filter(isVisible)
    const page = visible.slice(offset, offset + limit).map((user) => renderUser(user, baseUrl))
    return { status: 200, body: { users: page, meta: { total: String(visible.length) } } }
  }

  return {
    routes: [
      {
        method: 'POST',
        path: USERS,
        kind: 'create',
        handle: guard((request) => {
          const result = createUser(request)
          return 'status' in result ? result : { status: 201, body: { user: renderCreated(result, request.baseUrl) } }
        }, true),
      },
      { method: 'GET', path: USERS, kind: 'lookup', handle: guard(list) },
      {
        method: 'GET',
        path: `${USERS}/me`,
        kind: 'other',
        handle: guard((request) => answerUser(request, 'me', owner)),
      },
      {
        method: 'GET',
        path: `${USERS}/username/:username`,
        kind: 'lookup',
        handle: guard((request) => {
          const username = request.parameters['username'] ?? ''
          return answerUser(request, username, users.findByUsername(username))
        }),
      },
      {
        method: 'GET',
        path: `${USERS}/email/:email`,
        kind: 'lookup',
        handle: guard((request) => {
          const email = request.parameters['email'] ?? ''
          return answerUser(request, email, users.findByEmail(email))
        }),
      },
      {
        method: 'GET',
        path: `${USERS}/:id`,
        kind: 'lookup',
        handle: guard((request) => {
          const id = request.parameters['id'] ?? ''
          return answerUser(request, id, users.find(id))
        }),
      },
      {
        method: 'DELETE',
        path: `${USERS}/:id`,
        kind: 'other',
        handle: guard((request) => {
          const id = request.parameters['id'] ?? ''
          const user = users.find(id)
          if (user === undefined) return noResult(settings().absent_status, 'User', id)
          users.remove(user)
          return { status: 200, body: {} }
        }, true),
      },
      {
        method: 'GET',
        path: GROUPS,
        kind: 'other',
        handle: guard(({ baseUrl }) => {
          const groups = settings().groups.map((group) => renderGroup(group, baseUrl))
          return { status: 200, body: { groups, meta: { total: String(groups.length) } } }
        }),
      },
      {
        method: 'GET',
        path: `${GROUPS}/:id`,
        kind: 'other',
        handle: guard((request) => {
          const id = request.parameters['id'] ?? ''
          const group = findGroup(id)
          // Published for groups: 403, not 404.
          return group === undefined
            ? noResult(403, 'Group', id)
            : { status: 200, body: { group: renderGroup(group, request.baseUrl) } }
        }),
      },
    ],
    answers,
    // One bucket for all keys and calls.
    charges: () => [{ bucket: 'account', rule: settings().rate_limit }],
    headers: (_request, usage) => rateLimitHeaders(usage),
    /** The owner is shown apart, so that `users` are those that were created. */
    state: () => ({
      users: users
        .all()
        .filter((user) => user !== owner)
        .map(toState),
      owner: toState(owner),
      groups: settings().groups,
    }),
  }
}

const sample: VendorSample = {
  credentials: { type: 'api_token', api_token: 'SimulatorDemoKey-activecampaign' },
  config: (baseUrl) => ({ base_url: baseUrl }),
  user: (login) => ({
    name: 'Ada Lovelace',
    emails: [{ email: `${login}@example.com` }],
    username: login,
    password: 'Correct-Horse-9',
    group: 4,
  }),
  loginsIn: ({ user }) => valuesAt(user, 'username'),
  // Not documented: two that may be equal are never in progress at once.
  foldLogin: (login) => login.normalize('NFC').toLowerCase(),
  foundUser: (username) => ({ user: { id: '7', username } }),
  hidesCreationTime: true,
  limitSettings: (rule) => ({ rate_limit: rule }),
}

export const vendor: Vendor<ActiveCampaignSettings> = { id: 'activecampaign', settingsSchema, sample, createSimulator }
