import { z } from 'zod'
import type { Provider } from '../provider.ts'
import { googleWorkspaceAuthentications } from './authentication.ts'
import { classifyFailure, failures, isAbsent, isOwnAnswer } from './errors.ts'
import {
  isGivenElsewhere,
  toCreateRequest,
  toDeletedRequest,
  toFindRequest,
  toNaturalKey,
  USERS,
  validate,
} from './request.ts'
import { parseCreated, parseDeleted, parseFound, toUser } from './response.ts'

export const googleWorkspace: Provider = {
  id: 'google_workspace',
  name: 'Google Workspace',
  documentationUrl: 'https://developers.google.com/workspace/admin/directory/reference/rest/v1/users/insert',
  authentications: googleWorkspaceAuthentications,
  configSchema: z.strictObject({
    org_unit_path: z.string().regex(/^\//, 'must begin with /').optional().meta({
      description: 'Organizational unit of new users, such as /Engineering; default /. remote_data.orgUnitPath wins.',
    }),
    change_password_at_next_login: z.boolean().optional().meta({
      description:
        'Whether new users must change their password at the first sign-in; default false. remote_data.changePasswordAtNextLogin wins.',
    }),
  }),
  defaultBaseUrl: 'https://admin.googleapis.com',
  // www is the older host of the same API, and of the older token endpoint.
  hosts: { patterns: [/^(admin|oauth2|www)\.googleapis\.com$/], allowsCustomDomain: false },
  limits: {
    requests: 10,
    perSeconds: 1,
    concurrency: 4,
    source:
      'Directory API, limits and quotas: at most 10 user creations a second for one domain (and 2,400 queries a minute for one user of a project).',
  },
  callsPerCreate: 1,
  // Google names no figure and its own client waits for ever; nothing longer was seen.
  timeoutMs: 30_000,
  // For some seconds after an insert, a get answers as if the user did not exist
  // (terraform-provider-googleworkspace#213, #492).
  lookUpAfterMs: [1_000, 3_000, 7_000, 15_000],
  fields: {
    emails: 'supported',
    password: 'required',
    first_name: 'required',
    last_name: 'required',
    username: 'extension',
    phones: 'extension',
    languages: 'extension',
    status: 'extension',
    remote_data: 'supported',
  },
  parameters: {},
  responseFields: [
    'id',
    'first_name',
    'last_name',
    'name',
    'emails',
    'phones',
    'status',
    'is_2fa_enabled',
    'avatar',
    'languages',
    'created_at',
    'last_login_at',
  ],
  quirks: [
    'The primary e-mail is the login and must be in a domain of the customer; without emails, a username that is an address is taken.',
    'remote_data.password, remote_data.name.givenName and remote_data.name.familyName stand in for password, first_name and last_name.',
    'The answer to a create is short: phones, languages, further addresses and the suspension are then shown as they were sent.',
    'An address is taken by users, by their aliases, by groups, and for 20 days by deleted users.',
    'Google answers 403 "Not Authorized" for an address in a foreign domain and for an administrator without the right: it fails that one request, not the account.',
    'No one gets a mail about a new user, and isAdmin is ignored on create.',
    'With remote_data.hashFunction the password must be the digest, not the password itself.',
  ],
  isGivenElsewhere,
  validate,
  toNaturalKey,
  toCreateRequest,
  parseCreated,
  toUser,
  toFindRequest,
  parseFound,
  holderLookUps: (input) => [
    { toRequest: () => toDeletedRequest(input), parse: (response) => parseDeleted(response, input) },
  ],
  isAbsent,
  isOwnAnswer,
  toCheckRequest: () => ({ method: 'GET', path: USERS, query: { customer: 'my_customer', maxResults: 1 } }),
  failures,
  classifyFailure,
}
