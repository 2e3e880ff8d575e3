import { z } from 'zod'
import { rateLimitRuleSchema } from '../framework/rate-limit.ts'
import { commonSettingsSchema } from '../framework/vendor.ts'

export const authenticationMethods = [
  'password',
  'sso',
  'none',
  'email_signup',
  'password_with_imported_hash',
  'password_and_ssh_key',
] as const

export const settingsSchema = commonSettingsSchema.extend({
  /** Keys that are let in, with what their owner may do and the state of the key. */
  api_keys: z
    .array(
      z.strictObject({
        key: z.string().min(1),
        rights: z.enum(['site_admin', 'workspace_admin', 'group_admin', 'none']).default('site_admin'),
        state: z.enum(['active', 'disabled', 'path_restricted']).default('active'),
      }),
    )
    .default([{ key: 'SimulatorDemoKey-files_com', rights: 'site_admin', state: 'active' }]),
  groups: z.array(z.strictObject({ id: z.int().min(1), name: z.string().min(1) })).default([
    { id: 101, name: 'owners' },
    { id: 102, name: 'Engineering' },
    { id: 103, name: 'Sales EU' },
  ]),
  site_id: z.int().min(1).default(1),

  // The site's own settings, by their names in the vendor's model of a site.
  language: z.string().default('en'),
  /** The vendor's rules for passwords; the length a new site starts with is not documented. */
  password_min_length: z.int().min(1).default(8),
  password_require_letter: z.boolean().default(false),
  password_require_mixed: z.boolean().default(false),
  password_require_number: z.boolean().default(false),
  password_require_special: z.boolean().default(false),
  /** False: "users can only be managed via your SSO provider". */
  non_sso_users_allowed: z.boolean().default(true),
  group_admins_can_add_users: z.boolean().default(false),

  /** Usernames are unique over all customers of the vendor: these are taken, and no look-up shows them. */
  usernames_taken_elsewhere: z.array(z.string().min(1)).default([]),
  /** The vendor reserves some, and publishes no list. */
  reserved_usernames: z.array(z.string().min(1)).default([]),
  /**
   * Set: every call is answered 403 lockout-region-mismatch that names this host, as for a site pinned to other
   * security settings.
   */
  region_host: z.string().min(1).nullable().default(null),
  /** Set: the site as a whole refuses every call with this type. */
  site_refusal: z
    .enum([
      'service-unavailable/migration-in-progress',
      'service-unavailable/site-disabled',
      'site-configuration/account-overdue',
      'site-configuration/site-was-removed',
      'site-configuration/trial-expired',
      'site-configuration/trial-locked',
    ])
    .nullable()
    .default(null),

  /**
   * For too-many-requests; null: none. The vendor publishes no figures, so this is ours: twice the pace that a careful
   * client keeps.
   */
  rate_limit: rateLimitRuleSchema.nullable().default({ requests: 20, per_seconds: 1 }),
  /**
   * For too-many-concurrent-requests: how many calls may be in work at once; null: any number. No figures are
   * published.
   */
  concurrent_requests: z.int().min(1).nullable().default(10),
  /** How long a call is in work before anything is done. */
  processing_ms: z.int().min(0).max(60_000).default(0),
  /** The vendor's SDKs honour Retry-After; whether it is always sent is not documented. */
  sends_retry_after: z.boolean().default(true),
  /** Which of the two throttles the fault rate_limit_storm means. */
  storm_type: z.enum(['too-many-requests', 'too-many-concurrent-requests']).default('too-many-requests'),

  // From here on: what the vendor does not document. Each default is the likeliest by the rest of its API.

  /** A user is seen by look-ups only so long after its creation. No delay is published. */
  lookup_lag_ms: z.int().min(0).default(0),
  /**
   * What model_error_keys says of a taken username, and of a reserved one: the names that Rails gives to these errors.
   */
  taken_key: z.string().min(1).default('taken'),
  reserved_key: z.string().min(1).default('exclusion'),
  usernames_are_case_sensitive: z.boolean().default(false),
  /** When the request names none. */
  default_authentication_method: z.enum(authenticationMethods).default('password'),
  /** Rails takes IANA names beside its own. */
  accepts_iana_time_zones: z.boolean().default(true),
  /** "http-code" comes as text in some answers of the vendor, and the error object in an array in others. */
  http_code_is_text: z.boolean().default(false),
  wraps_errors_in_array: z.boolean().default(false),
})
export type FilesComSettings = z.output<typeof settingsSchema>
