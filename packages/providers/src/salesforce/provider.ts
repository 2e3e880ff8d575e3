import { z } from 'zod'
import type { Provider } from '../provider.ts'
import { salesforceAuthentications } from './authentication.ts'
import { classifyFailure, failures, isOwnAnswer } from './errors.ts'
import {
  isGivenElsewhere,
  lookUps,
  toCreateRequest,
  toFindRequest,
  toNaturalKey,
  toReadRequest,
  validate,
} from './request.ts'
import { parseCreated, parseFound, parseRead, toUser } from './response.ts'
import { DEFAULT_API_VERSION, toQuery } from './user-object.ts'

export const salesforce: Provider = {
  id: 'salesforce',
  name: 'Salesforce',
  documentationUrl: 'https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/dome_sobject_create.htm',
  authentications: salesforceAuthentications,
  configSchema: z.strictObject({
    api_version: z
      .string()
      .regex(/^v?\d{2,3}\.0$/, 'must be a version such as v66.0')
      .optional()
      .meta({ description: `Version of the REST API; default ${DEFAULT_API_VERSION}.` }),
    profile: z
      .string()
      .min(1)
      .optional()
      .meta({ description: 'Id (00e…) or name of the profile for users whose roles name none.' }),
    username_suffix: z
      .string()
      .regex(/^\.[A-Za-z0-9.-]+$/, 'must begin with a dot, such as .acme')
      .max(60)
      .optional()
      .meta({
        description:
          'Put after the primary e-mail where the username is made of it, since usernames are unique over all Salesforce orgs.',
      }),
    locale: z
      .string()
      .regex(/^[a-z]{2,3}(_[A-Za-z]+)+$/)
      .optional()
      .meta({ description: 'LocaleSidKey where the language names no region; default en_US.' }),
    language: z
      .string()
      .regex(/^[a-z]{2,3}(_[A-Za-z]+)*$/)
      .optional()
      .meta({ description: 'LanguageLocaleKey where no language is given; default en_US.' }),
    audience: z.url().optional().meta({
      description:
        'jwt_bearer: the aud claim; default https://login.salesforce.com, or https://test.salesforce.com for sandboxes.',
    }),
  }),
  // The login host; calls go to the instance_url that it answers with. base_url, the org's My Domain, takes its place.
  defaultBaseUrl: 'https://login.salesforce.com',
  hosts: {
    patterns: [
      /^(login|test)\.salesforce\.com$/,
      // My Domains, with the partition of sandboxes and the like; the government's and China's.
      /^[a-z0-9-]+(\.[a-z0-9]+)?\.my\.(salesforce\.com|salesforce\.mil|sfcrmproducts\.cn)$/,
      // Instances without My Domain, such as na139, and Hyperforce ones.
      /^[a-z]{2,4}\d+s?\.salesforce\.com$/,
      /^[a-z]{3}\d+s?\.sfdc-[a-z0-9]+\.salesforce\.com$/,
    ],
    allowsCustomDomain: false,
  },
  limits: {
    requests: 10,
    perSeconds: 1,
    concurrency: 5,
    source:
      'Salesforce limits the calls of a day (15,000 in a Developer Edition, 100,000 and 1,000 for each licence in Enterprise) and requests of more than 20 seconds that run side by side (25; 5 in Developer and trial orgs). It has no limit per second: 10 is a courtesy.',
  },
  // The create, and the read of what was created.
  callsPerCreate: 2,
  // A create can wait for sharing to be recalculated, and for the org's own triggers.
  timeoutMs: 60_000,
  lookUpAfterMs: [500, 5_000],
  fields: {
    emails: 'required',
    username: 'supported',
    first_name: 'required',
    last_name: 'required',
    phones: 'supported',
    roles: 'required',
    timezone: 'required',
    languages: 'supported',
    status: 'extension',
    remote_data: 'supported',
  },
  parameters: {},
  responseFields: [
    'id',
    'first_name',
    'last_name',
    'name',
    'title',
    'username',
    'emails',
    'phones',
    'status',
    'roles',
    'avatar',
    'timezone',
    'languages',
    'bio',
    'created_at',
    'updated_at',
    'last_login_at',
  ],
  quirks: [
    'roles[] must name a profile (id 00e…, or its name) and may name a role (id 00E…, or its name): the ids differ by the case of one letter.',
    "Usernames are unique over all Salesforce orgs and are never freed; without one the primary e-mail is taken, with the account's username_suffix after it.",
    'Salesforce takes no password on create and sends no welcome mail: the user logs in by single sign-on, or after an administrator has reset the password.',
    "remote_data (Email, FirstName, LastName, TimeZoneSidKey, ProfileId) stands in for the required fields, and the account's profile for roles.",
    'timezone must be one of the zones that the org lists; older spellings are translated both ways.',
    'Alias, locale, language and e-mail encoding are derived, and can be set in remote_data (Alias, LocaleSidKey, LanguageLocaleKey, EmailEncodingKey).',
    "Every active user takes a licence of the profile's kind; status inactive creates without one.",
  ],
  isGivenElsewhere,
  validate,
  toNaturalKey,
  lookUps,
  toCreateRequest,
  parseCreated,
  toReadRequest,
  parseRead,
  toUser,
  toFindRequest,
  parseFound,
  isOwnAnswer,
  toCheckRequest: (account) => toQuery(account, 'SELECT Id FROM User LIMIT 1'),
  failures,
  classifyFailure,
}
