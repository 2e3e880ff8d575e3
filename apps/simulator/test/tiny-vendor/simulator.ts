import { commonSettingsSchema, valuesAt } from '../../src/framework/vendor.ts'
import type {
  CommonSettings,
  Json,
  Vendor,
  VendorContext,
  VendorRequest,
  VendorResponse,
  VendorSample,
  VendorSimulator,
} from '../../src/framework/vendor.ts'

const refuse = (status: number, code: string, message: string): VendorResponse => ({ status, body: { code, message } })

function createSimulator(context: VendorContext<CommonSettings>): VendorSimulator {
  const users: { id: string; login: string; name: string; created_at: string }[] = []

  const authorized =
    (handle: (request: VendorRequest) => VendorResponse) =>
    (request: VendorRequest): VendorResponse =>
      request.headers.authorization === `Token ${sample.credentials.api_token}`
        ? handle(request)
        : refuse(401, 'bad_token', 'The token is not known.')

  function create(request: VendorRequest): VendorResponse {
    const { login = '', name = '' } = JSON.parse(request.body) as { login?: string; name?: string }
    if (users.some((user) => sample.foldLogin(user.login) === sample.foldLogin(login)))
      return refuse(409, 'login_taken', 'The login is taken.')
    const user = { id: `u${users.length + 1}`, login, name, created_at: new Date(context.now()).toISOString() }
    users.push(user)
    context.recordCreated(request, { id: user.id, key: login })
    return { status: 201, body: user }
  }

  function list(request: VendorRequest): VendorResponse {
    const wanted = sample.foldLogin(request.query.get('login') ?? '')
    return { status: 200, body: { users: users.filter(({ login }) => sample.foldLogin(login) === wanted) } }
  }

  return {
    routes: [
      { method: 'POST', path: '/users', kind: 'create', handle: authorized(create) },
      { method: 'GET', path: '/users', kind: 'lookup', handle: authorized(list) },
    ],
    answers: {
      unknownRoute: () => refuse(404, 'no_such_path', 'There is no such path.'),
      rateLimited: () => refuse(429, 'too_many', 'Too many calls.'),
      serverError: (_request, status) => refuse(status, 'failed', 'The server failed.'),
      expiredToken: () => refuse(401, 'bad_token', 'The token is not known.'),
    },
    charges: () => [],
    headers: () => ({}),
    state: () => ({ users: users as readonly Json[] }),
  }
}

const sample: VendorSample = {
  credentials: { type: 'api_token', api_token: 'SimulatorDemoToken-tiny' },
  config: (baseUrl) => ({ base_url: baseUrl }),
  user: (login) => ({ username: login, name: 'Ada Lovelace' }),
  loginsIn: (body) => valuesAt(body, 'login'),
  foldLogin: (login) => login.toLowerCase(),
  foundUser: (login) => ({ users: [{ id: '7', login }] }),
  limitSettings: () => ({}),
}

export const vendor: Vendor = { id: 'tiny', settingsSchema: commonSettingsSchema, sample, createSimulator }
