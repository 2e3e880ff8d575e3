import { z } from 'zod'
import type { Provider } from '../provider.ts'
import { oktaAuthentications } from './authentication.ts'
import { classifyFailure, failures, isAbsent, isOwnAnswer, toProviderRequestId } from './errors.ts'
import { toCreateRequest, toFindRequest, toNaturalKey, validate } from './request.ts'
import { parseCreated, parseFound, toUser } from './response.ts'

export const okta: Provider = {
  id: 'okta',
  name: 'Okta',
  documentationUrl:
    'https://developer.okta.com/docs/api/openapi/okta-management/management/tag/User/#tag/User/operation/createUser',
  authentications: oktaAuthentications,
  configSchema: z.strictObject({
    activate: z.boolean().optional().meta({
      description:
        'Whether users are activated at once (default true). Without a password, activating sends them an e-mail.',
    }),
    scopes: z
      .string()
      .optional()
      .meta({ description: 'Scopes asked for with private_key_jwt; default okta.users.manage.' }),
  }),
  defaultBaseUrl: null,
  // The admin console's host (acme-admin.okta.com) answers every API call with an empty 403.
  hosts: {
    patterns: [
      /^(?![a-z0-9-]*-admin\.)[a-z0-9-]+\.(okta|oktapreview|okta-emea|okta-gov|trex-govcloud)\.com$/,
      /^[a-z0-9-]+\.okta\.mil$/,
    ],
    allowsCustomDomain: true,
  },
  limits: {
    requests: 300,
    perSeconds: 60,
    concurrency: 8,
    source:
      'Recorded on a trial org in July 2026: 300 a minute for POST /api/v1/users, half of the last published bucket of 600, which is the default share of one token.',
  },
  callsPerCreate: 1,
  timeoutMs: 30_000,
  // GET by login is not served by the lagging search index, so one pause is enough.
  lookUpAfterMs: [500, 2_500],
  fields: {
    emails: 'supported',
    username: 'supported',
    first_name: 'supported',
    last_name: 'supported',
    phones: 'supported',
    password: 'extension',
    timezone: 'extension',
    languages: 'extension',
    groups: 'extension',
    status: 'extension',
    remote_data: 'supported',
  },
  parameters: {},
  responseFields: [
    'id',
    'first_name',
    'last_name',
    'name',
    'username',
    'emails',
    'phones',
    'status',
    'timezone',
    'languages',
    'created_at',
    'updated_at',
    'last_login_at',
    'status_changed_at',
    'activated_at',
  ],
  quirks: [
    'Without a password the new user is sent an activation e-mail; set activate=false (in remote_query or the account config) to create without one.',
    'profile.login is the username, or the primary e-mail where none is given; logins are unique without regard to case, deactivated users included.',
    'Custom profile attributes go into remote_data.profile; a name the org does not know is refused.',
    'An app that demands DPoP is refused: switch the demand off for the service app.',
  ],
  validate,
  toNaturalKey,
  toCreateRequest,
  parseCreated,
  toUser,
  toFindRequest,
  parseFound,
  isAbsent,
  isOwnAnswer,
  toCheckRequest: () => ({ method: 'GET', path: '/api/v1/users', query: { limit: 1 } }),
  failures,
  classifyFailure,
  toProviderRequestId,
}
