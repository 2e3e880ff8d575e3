import type {
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
import { createAnswers, notFound, oktaError, rateLimitHeaders } from './answers.ts'
import { createGuard } from './authenticate.ts'
import { createCreateUser } from './create-user.ts'
import { createId, createRequestId } from './identifiers.ts'
import { createLifecycle } from './lifecycle.ts'
import { choosePredicate, paginate } from './list-users.ts'
import { renderUser } from './render-user.ts'
import type { OktaSettings } from './settings.ts'
import { settingsSchema } from './settings.ts'
import type { OktaUser } from './users.ts'
import { createUsers, toState } from './users.ts'

const USERS = '/api/v1/users'

function createSimulator(context: VendorContext<OktaSettings>): VendorSimulator {
  const { settings, now } = context
  const users = createUsers()
  const typeId = createId('oty')
  const schemaId = createId('osc')
  const accessTokens = createAccessTokens(context)
  const guard = createGuard(context, accessTokens)
  const createUser = createCreateUser(context, users, typeId)
  const lifecycle = createLifecycle(context, users)

  const answerUser = (request: VendorRequest, user: OktaUser) => ({
    status: 200,
    body: renderUser(user, request.baseUrl, schemaId),
  })

  return {
    routes: [
      { method: 'POST', path: '/oauth2/v1/token', kind: 'token', handle: accessTokens.issue },
      {
        method: 'POST',
        path: USERS,
        kind: 'create',
        handle: guard('okta.users.manage', (request) => {
          const result = createUser(request)
          // 200, not 201.
          return 'profile' in result ? answerUser(request, result) : result
        }),
      },
      {
        method: 'GET',
        path: USERS,
        kind: 'lookup',
        handle: guard('okta.users.read', (request) => {
          const predicate = choosePredicate(request.query, now() - settings().search_lag_ms)
          if (predicate === undefined) return oktaError(400, 'E0000031', 'Invalid search criteria.')
          const { page, link } = paginate(request, users.all().filter(predicate))
          return {
            status: 200,
            headers: { link },
            body: page.map((user) => renderUser(user, request.baseUrl, schemaId)),
          }
        }),
      },
      {
        method: 'GET',
        path: `${USERS}/:idOrLogin`,
        kind: 'lookup',
        handle: guard('okta.users.read', (request) => {
          const idOrLogin = request.parameters['idOrLogin'] ?? ''
          const user = users.find(idOrLogin)
          return user === undefined ? notFound(idOrLogin, 'User') : answerUser(request, user)
        }),
      },
      {
        method: 'POST',
        path: `${USERS}/:id/lifecycle/activate`,
        kind: 'other',
        handle: guard('okta.users.manage', lifecycle.activate),
      },
      {
        method: 'POST',
        path: `${USERS}/:id/lifecycle/deactivate`,
        kind: 'other',
        handle: guard('okta.users.manage', lifecycle.deactivate),
      },
    ],
    answers: createAnswers(context),

    // Okta keeps one bucket an endpoint and method.
    charges(request: VendorRequest, kind: RequestKind): readonly RateLimitCharge[] {
      if (kind === 'token') return []
      if (kind === 'lookup' && request.path !== USERS) {
        return [{ bucket: 'GET /users/{id}', rule: settings().rate_limit_by_id }]
      }
      const bucket = kind === 'other' ? 'lifecycle' : `${request.method} /users`
      return [{ bucket, rule: settings().rate_limit }]
    },

    headers: (_request, usage) => ({
      'x-okta-request-id': createRequestId(),
      'cache-control': 'no-cache, no-store',
      ...rateLimitHeaders(usage),
    }),

    state: () => ({ users: users.all().map(toState), groups: settings().groups }),
  }
}

const sample: VendorSample = {
  credentials: { type: 'api_token', api_token: '00SimulatorDemoToken-okta' },
  config: (baseUrl) => ({ base_url: baseUrl }),
  user: (login) => ({ first_name: 'Ada', last_name: 'Lovelace', emails: [{ email: `${login}@example.com` }] }),
  loginsIn: ({ profile }) => valuesAt(profile, 'login'),
  foldLogin: (login) => login.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase(),
  foundUser: (login) => ({ id: '7', profile: { login } }),
  limitSettings: (rule) => ({ rate_limit: rule }),
}

export const vendor: Vendor<OktaSettings> = { id: 'okta', settingsSchema, sample, createSimulator }
