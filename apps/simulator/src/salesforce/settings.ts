import { createPublicKey } from 'node:crypto'
import { z } from 'zod'
import { rateLimitRuleSchema } from '../framework/rate-limit.ts'
import { commonSettingsSchema } from '../framework/vendor.ts'
import { LANGUAGES, TIME_ZONES } from './picklists.ts'

const isPublicKey = (pem: string): boolean => {
  try {
    createPublicKey(pem)
    return true
  } catch {
    return false
  }
}

export const INTEGRATION_USERNAME = 'integration@simulator.example'

const appSchema = z.strictObject({
  client_id: z.string().min(1),
  client_secret: z.string().min(1),
  /** For the refresh token flow. */
  refresh_tokens: z.array(z.string().min(1)).default([]),
  /** For the JWT bearer flow: the certificate, or its public key, in PEM. */
  public_key: z.string().refine(isPublicKey, 'must be a certificate or a public key in PEM').nullable().default(null),
  /** Usernames that the app's policy admits in the JWT bearer flow. */
  approved_usernames: z.array(z.string().min(1)).default([INTEGRATION_USERNAME]),
  /** For the client credentials flow, which an app must switch on. */
  takes_client_credentials: z.boolean().default(true),
  /** Since September 2025 apps that are not installed in the org are refused. */
  is_installed: z.boolean().default(true),
})

export const settingsSchema = commonSettingsSchema.extend({
  apps: z.array(appSchema).default([
    appSchema.parse({
      client_id: '3MVG9SimulatorDemoApp',
      client_secret: 'SimulatorDemoSecret-salesforce',
      refresh_tokens: ['5Aep861SimulatorDemoRefreshToken'],
    }),
  ]),
  /** Beside the simulator's own address, which plays the org's My Domain. */
  jwt_audiences: z.array(z.string().min(1)).default(['https://login.salesforce.com', 'https://test.salesforce.com']),
  /** The org's session policy; two hours by default. No answer shows it. */
  session_seconds: z.int().min(1).default(7200),
  /** An app can be set to give a new refresh token with each use; the old one is dead then. */
  rotates_refresh_tokens: z.boolean().default(false),
  /** login.salesforce.com and test.salesforce.com refuse client credentials; the org's My Domain takes them. */
  is_login_host: z.boolean().default(false),
  /**
   * An organization's calls in a day. This one is of an Enterprise org with 900 licences (100,000 and 1,000 for each);
   * a Developer Edition has 15,000.
   */
  rate_limit: rateLimitRuleSchema.nullable().default({ requests: 1_000_000, per_seconds: 86_400 }),
  is_api_enabled: z.boolean().default(true),
  /**
   * "Manage Internal Users" of the integration user. Without it the real refusal's body is not published; this one is
   * 403 INSUFFICIENT_ACCESS_OR_READONLY.
   */
  may_create_users: z.boolean().default(true),
  /** "View Roles and Role Hierarchy". */
  may_read_roles: z.boolean().default(true),
  /** Usernames are unique over all orgs: these are of others, which this org cannot see. */
  usernames_taken_elsewhere: z.array(z.string().min(1)).default(['taken@elsewhere.example']),
  /** Seats; only active users take one. Large, so that bulk runs fit. */
  licenses: z.array(z.strictObject({ name: z.string().min(1), total: z.int().min(0) })).default([
    { name: 'Salesforce', total: 100_000 },
    { name: 'Salesforce Platform', total: 100_000 },
    { name: 'Chatter Free', total: 100_000 },
    { name: 'Partner Community', total: 100_000 },
  ]),
  /** Seats of feature licences, by the flag that takes one. */
  feature_licenses: z
    .record(z.string().startsWith('UserPermissions'), z.int().min(0))
    .default({ UserPermissionsMarketingUser: 2 }),
  profiles: z
    .array(
      z.strictObject({
        id: z.string().regex(/^00e[0-9A-Za-z]{12}$/),
        name: z.string().min(1),
        user_type: z.string().min(1),
        license: z.string().min(1),
      }),
    )
    .default([
      { id: '00edM00000SysAd', name: 'System Administrator', user_type: 'Standard', license: 'Salesforce' },
      { id: '00edM00000Stand', name: 'Standard User', user_type: 'Standard', license: 'Salesforce' },
      { id: '00edM00000Minim', name: 'Minimum Access - Salesforce', user_type: 'Standard', license: 'Salesforce' },
      { id: '00edM00000Platf', name: 'Standard Platform User', user_type: 'Standard', license: 'Salesforce Platform' },
      { id: '00edM00000Chatt', name: 'Chatter Free User', user_type: 'CsnOnly', license: 'Chatter Free' },
      {
        id: '00edM00000Partn',
        name: 'Partner Community User',
        user_type: 'PowerPartner',
        license: 'Partner Community',
      },
    ]),
  /** Name is not unique, DeveloperName is. A role is for one user type. */
  roles: z
    .array(
      z.strictObject({
        id: z.string().regex(/^00E[0-9A-Za-z]{12}$/),
        name: z.string().min(1),
        developer_name: z.string().min(1),
        user_type: z.string().min(1).default('Standard'),
      }),
    )
    .default([
      { id: '00EdM00000CEO00', name: 'CEO', developer_name: 'CEO', user_type: 'Standard' },
      { id: '00EdM00000SlsEU', name: 'Sales', developer_name: 'Sales_EU', user_type: 'Standard' },
      { id: '00EdM00000SlsUS', name: 'Sales', developer_name: 'Sales_US', user_type: 'Standard' },
      {
        id: '00EdM00000Prtnr',
        name: 'Partner Executive',
        developer_name: 'PartnerExecutive',
        user_type: 'PowerPartner',
      },
    ]),
  /** Of the TimeZoneSidKey and LanguageLocaleKey picklists; orgs differ. */
  time_zones: z.array(z.string().min(1)).default([...TIME_ZONES]),
  languages: z.array(z.string().min(1)).default([...LANGUAGES]),
  /** Text fields of User that the org has added. */
  custom_fields: z.array(z.string().regex(/^\w+__c$/)).default([]),
  /** Without Chatter, User has no photos and no AboutMe. */
  has_chatter: z.boolean().default(true),
})
export type SalesforceSettings = z.output<typeof settingsSchema>
