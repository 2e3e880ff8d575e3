import { z } from 'zod'
import type { Provider } from '../provider.ts'
import { classifyFailure, failures, isAbsent, isOwnAnswer } from './errors.ts'
import {
  emailOf,
  isGivenElsewhere,
  toCreateRequest,
  toFindByEmailRequest,
  toFindRequest,
  toNaturalKey,
  validate,
} from './request.ts'
import { parseCreated, parseFound, parseFoundByEmail, toUser } from './response.ts'

export const activecampaign: Provider = {
  id: 'activecampaign',
  name: 'ActiveCampaign',
  documentationUrl: 'https://developers.activecampaign.com/reference/users',
  // One flat key per user, without scopes or expiry; it may do what its user's group may do.
  authentications: { api_token: { kind: 'static', toHeaders: ({ api_token }) => ({ 'api-token': api_token }) } },
  configSchema: z.strictObject({}),
  // Every account has its own address, and the vendor warns not to build it from the account's name.
  defaultBaseUrl: null,
  // The one domain of the vendor's own specification. It promises no other ("not a guarantee that api-us1.com is always
  // a supported API Base URL"), and a guess such as api-us2.com could belong to anybody: such an account says
  // `custom_domain`. ACCOUNT.activehosted.com is for people; the API is not there.
  hosts: { patterns: [/^[a-z0-9-]+\.api-us1\.com$/], allowsCustomDomain: true },
  limits: {
    requests: 5,
    perSeconds: 1,
    // No limit is documented: eight fill five a second as long as an answer takes less than 1.6 seconds.
    concurrency: 8,
    source:
      'ActiveCampaign, Rate limits (October 2025): 5 requests a second per account, shared by all of its keys and integrations, on every plan.',
  },
  callsPerCreate: 1,
  timeoutMs: 30_000,
  // Nothing is published about a delay between create and look-up: three looks, a second or two apart.
  lookUpAfterMs: [1_000, 2_500, 4_500],
  fields: {
    name: 'required',
    emails: 'required',
    password: 'required',
    username: 'required',
    group: 'required',
    first_name: 'extension',
    last_name: 'extension',
    remote_data: 'supported',
  },
  parameters: {},
  // The times and the time zone are in the answer of a create only, so an adopted user comes without them.
  responseFields: [
    'id',
    'first_name',
    'last_name',
    'name',
    'username',
    'emails',
    'phones',
    'timezone',
    'created_at',
    'updated_at',
  ],
  quirks: [
    'name is split at the first space into first and last name; give first_name and last_name to say where.',
    'A username cannot be changed later.',
    'group is the number of one permission group; the groups of the unified model are another thing and not taken.',
    'Plans have few seats (one to five users on the published ones); a full account refuses the next user.',
    'What remote_data gives (email, username, password, group, firstName, lastName) need not be given twice, and first_name or last_name stands in for name.',
    'remote_data is merged into the user object of the request; a whole body, {"user": {…}}, is taken too.',
    'The limit of 5 calls a second is shared with every other integration of the account.',
  ],
  isGivenElsewhere,
  validate,
  toNaturalKey,
  toCreateRequest,
  parseCreated,
  toUser,
  toFindRequest,
  parseFound,
  holderLookUps(input) {
    const email = emailOf(input)
    if (email === undefined) return []
    return [{ toRequest: () => toFindByEmailRequest(email), parse: (response) => parseFoundByEmail(response, input) }]
  },
  isAbsent,
  isOwnAnswer,
  sendsBareNotFound: true,
  toCheckRequest: () => ({ method: 'GET', path: '/api/3/users/me' }),
  failures,
  classifyFailure,
}
