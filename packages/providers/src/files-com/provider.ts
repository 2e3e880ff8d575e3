import { z } from 'zod'
import { RemoteFailureError, type Provider } from '../provider.ts'
import { classifyFailure, failures, isOwnAnswer, toProviderRequestId, toRedirect } from './errors.ts'
import { toCreateRequest, toFindRequest, toNaturalKey, validate } from './request.ts'
import { parseCreated, parseFound, toUser } from './response.ts'
import { lookUps } from './roles.ts'

export const filesCom: Provider = {
  id: 'files_com',
  name: 'Files.com',
  documentationUrl: 'https://developers.files.com/',
  authentications: {
    api_key: { kind: 'static', toHeaders: ({ api_key }) => ({ 'x-filesapi-key': checkKey(api_key) }) },
  },
  configSchema: z.strictObject({
    authentication_method: z.enum(['email_signup', 'sso', 'none']).optional().meta({
      description:
        'How users without a password log in. Default: email_signup with an e-mail address (Files.com mails a link to choose a password), else none.',
    }),
    sso_strategy_id: z
      .int()
      .positive()
      .optional()
      .meta({ description: 'The SSO strategy of users with the method sso.' }),
    workspace_id: z.int().min(0).optional().meta({
      description: 'The workspace that users are created in; Files.com takes its default workspace otherwise.',
    }),
  }),
  // A site without global acceleration refuses this host and wants its own, https://SUBDOMAIN.files.com.
  defaultBaseUrl: 'https://app.files.com',
  hosts: { patterns: [/^(?:[a-z0-9-]+\.)+files\.com$/], allowsCustomDomain: true },
  limits: {
    requests: 10,
    perSeconds: 1,
    concurrency: 5,
    source:
      'Chosen by Muster: Files.com publishes no figures, only two throttles by name (too-many-requests, too-many-concurrent-requests).',
  },
  callsPerCreate: 1,
  // The network timeout of the vendor's JavaScript SDK.
  timeoutMs: 60_000,
  // No delay of replicas is published. Sending again too early is refused, since usernames are unique, and never makes
  // a second user.
  lookUpAfterMs: [1_000, 5_000],
  fields: {
    name: 'supported',
    emails: 'supported',
    username: 'supported',
    password: 'extension',
    roles: 'supported',
    timezone: 'supported',
    languages: 'extension',
    description: 'supported',
    groups: 'supported',
    status: 'supported',
    remote_data: 'supported',
  },
  parameters: {},
  responseFields: [
    'id',
    'name',
    'username',
    'emails',
    'status',
    'is_2fa_enabled',
    'roles',
    'groups',
    'avatar',
    'timezone',
    'languages',
    'created_at',
    'last_active_at',
    'last_login_at',
    'activated_at',
  ],
  quirks: [
    'A username is needed; without one the primary e-mail is taken. Usernames are unique over all customers of Files.com, so one can be taken without being visible.',
    'Without a password the new user is mailed a link to choose one (authentication_method email_signup), or cannot log in where there is no e-mail address (none).',
    'description is sent as notes, which only administrators see.',
    'Time zones are sent by their Rails names ("Pacific Time (US & Canada)") and given back by their IANA names.',
    'Welcome mails and password rules are settings of the site, not of the request.',
    'The API key must belong to an administrator; every call counts as a billable API call.',
  ],
  validate,
  toNaturalKey,
  lookUps,
  toCreateRequest,
  parseCreated,
  toUser,
  toFindRequest,
  parseFound,
  // A 404 of the list means missing rights, by the vendor's own words: no `isAbsent`.
  isOwnAnswer,
  toCheckRequest: () => ({ method: 'GET', path: '/api/rest/v1/users', query: { per_page: 1 } }),
  failures,
  classifyFailure,
  toRedirect,
  toProviderRequestId,
}

/** The vendor's SDK refuses such a key before it is sent; a line break in it would break the request. */
function checkKey(given: string): string {
  const key = given.trim()
  if (/^[\x21-\x7e]+$/.test(key)) return key
  throw new RemoteFailureError({
    code: 'credentials_rejected',
    outcome: 'held',
    certainty: 'final',
    message: 'The API key holds white space or characters that no Files.com key has.',
  })
}
