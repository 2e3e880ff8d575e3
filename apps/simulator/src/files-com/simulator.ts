import { setTimeout as pause } from 'node:timers/promises'
import type {
  Json,
  Route,
  Vendor,
  VendorContext,
  VendorRequest,
  VendorResponse,
  VendorSample,
  VendorSimulator,
} from '../framework/vendor.ts'
import { valuesAt } from '../framework/vendor.ts'
import { createAnswers, createErrors } from './answers.ts'
import { createGuard } from './authenticate.ts'
import { createCreateUser } from './create-user.ts'
import { listGroups, listUsers } from './list.ts'
import { renderUser } from './render-user.ts'
import type { FilesComSettings } from './settings.ts'
import { settingsSchema } from './settings.ts'
import type { FilesComUser } from './users.ts'
import { createUsers, toState } from './users.ts'

const BASE = '/api/rest/v1'

function createSimulator(context: VendorContext<FilesComSettings>): VendorSimulator {
  const { settings, now } = context
  const users = createUsers(() => settings().usernames_are_case_sensitive)
  const errors = createErrors(context)
  const answers = createAnswers(context, errors)
  const guard = createGuard(context, errors)
  const createUser = createCreateUser(context, users, errors)
  let inWork = 0

  /** Counts the calls in work, and lets each take its time before the handler does anything. */
  const inTurn =
    (handle: Route['handle']): Route['handle'] =>
    async (request) => {
      const { concurrent_requests: limit, processing_ms: processingMs } = settings()
      if (limit !== null && inWork >= limit) return answers.tooManyAtOnce()
      inWork += 1
      try {
        if (processingMs > 0) await pause(processingMs, undefined, { ref: false })
        return await handle(request)
      } finally {
        inWork -= 1
      }
    }
  const route = (
    method: string,
    path: string,
    kind: Route['kind'],
    access: 'read' | 'manage',
    handle: Route['handle'],
  ): Route => ({
    method,
    path: `${BASE}${path}`,
    kind,
    handle: inTurn(guard(access, handle)),
  })

  const render = (user: FilesComUser): Json => renderUser(user, settings(), now())
  const isVisible = (user: FilesComUser): boolean => user.createdMs + settings().lookup_lag_ms <= now()
  const members = (groupId: number) => users.all().filter((user) => user.groupIds.includes(groupId))

  /** Lists of ids and names are comma-separated text here too. */
  function renderGroup({ id, name }: { id: number; name: string }): Json {
    const group = members(id)
    const admins = group.filter((user) => user.adminGroupIds.includes(id))
    const join = (of: readonly FilesComUser[], pick: (user: FilesComUser) => number | string) => of.map(pick).join(',')
    return {
      id,
      name,
      allowed_ips: null,
      admin_ids: join(admins, (user) => user.id),
      notes: null,
      user_ids: join(group, (user) => user.id),
      usernames: join(group, (user) => user.username),
      ftp_permission: true,
      sftp_permission: true,
      dav_permission: true,
      restapi_permission: true,
      site_id: settings().site_id,
    }
  }

  function withUser(request: VendorRequest, handle: (user: FilesComUser) => VendorResponse): VendorResponse {
    const user = users.find(request.parameters['id'] ?? '')
    return user === undefined || !isVisible(user) ? errors.notFound() : handle(user)
  }

  /** How a user is made the administrator of a group, once it exists. */
  function addToGroup(request: VendorRequest): VendorResponse {
    let body: { group_id?: unknown; user_id?: unknown; admin?: unknown }
    try {
      body = JSON.parse(request.body) as typeof body
    } catch {
      return errors.refuse('bad-request/invalid-body', 'The request body is not valid.')
    }
    const user = users.find(String(body.user_id))
    const group = settings().groups.find(({ id }) => id === Number(body.group_id))
    if (group === undefined) return errors.refuse('not-found/group-not-found', 'Group not found.')
    if (user === undefined) return errors.refuse('not-found/user-not-found', 'User not found.')
    user.groupIds = [...new Set([...user.groupIds, group.id])]
    if (body.admin === true) user.adminGroupIds = [...new Set([...user.adminGroupIds, group.id])]
    return {
      status: 201,
      body: {
        group_name: group.name,
        group_id: group.id,
        user_id: user.id,
        admin: body.admin === true,
        usernames: user.username,
      },
    }
  }

  return {
    routes: [
      route('POST', '/users', 'create', 'manage', (request) => {
        const result = createUser(request)
        return 'sent' in result ? { status: 201, body: render(result) } : result
      }),
      route('GET', '/users', 'lookup', 'read', (request) => listUsers(request, users, isVisible, errors, render)),
      route('GET', '/users/:id', 'lookup', 'read', (request) =>
        withUser(request, (user) => ({ status: 200, body: render(user) })),
      ),
      route('DELETE', '/users/:id', 'other', 'manage', (request) =>
        withUser(request, (user) => {
          users.remove(user)
          return { status: 204 }
        }),
      ),
      route('GET', '/groups', 'other', 'read', (request) =>
        listGroups(request, settings().groups, errors, renderGroup),
      ),
      route('GET', '/groups/:id', 'other', 'read', (request) => {
        const group = settings().groups.find(({ id }) => String(id) === request.parameters['id'])
        return group === undefined
          ? errors.refuse('not-found/group-not-found', 'Group not found.')
          : { status: 200, body: renderGroup(group) }
      }),
      route('POST', '/group_users', 'other', 'manage', addToGroup),
    ],
    answers,
    charges: () => [{ bucket: 'site', rule: settings().rate_limit }],
    // No SDK of the vendor reads any rate-limit header, and none is documented.
    headers: () => ({ 'cache-control': 'no-cache, no-store' }),
    state: () => ({ users: users.all().map(toState), groups: settings().groups }),
  }
}

const sample: VendorSample = {
  credentials: { type: 'api_key', api_key: 'SimulatorDemoKey-files_com' },
  config: (baseUrl) => ({ base_url: baseUrl }),
  user: (login) => ({ name: 'Ada Lovelace', emails: [{ email: `${login}@example.com` }], username: login }),
  loginsIn: (body) => valuesAt(body, 'username'),
  foldLogin: (login) => login.normalize('NFC').toLowerCase(),
  foundUser: (username) => [{ id: 7, username }],
  limitSettings: (rule) => ({ rate_limit: rule }),
}

export const vendor: Vendor<FilesComSettings> = { id: 'files_com', settingsSchema, sample, createSimulator }
