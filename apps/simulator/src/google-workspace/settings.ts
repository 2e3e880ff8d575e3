import { createPublicKey } from 'node:crypto'
import { z } from 'zod'
import { rateLimitRuleSchema } from '../framework/rate-limit.ts'
import { commonSettingsSchema } from '../framework/vendor.ts'

export const DIRECTORY_SCOPE = 'https://www.googleapis.com/auth/admin.directory.user'

const isPublicKey = (pem: string): boolean => {
  try {
    createPublicKey(pem)
    return true
  } catch {
    return false
  }
}
const scopes = z.array(z.string().min(1)).default([DIRECTORY_SCOPE])
const address = z
  .string()
  .regex(/^[^\s@]+@[^\s@]+$/)
  .transform((text) => text.toLowerCase())

export const settingsSchema = commonSettingsSchema.extend({
  customer_id: z.string().min(1).default('C03simul8'),
  /** The customer's own domains. */
  domains: z.array(z.string().min(1)).min(1).default(['example.com', 'example.net', 'example.org']),
  /** Whom a service account can act for, and who gave the refresh tokens. */
  administrators: z
    .array(z.strictObject({ email: address, can_manage_users: z.boolean().default(true) }))
    .default([{ email: 'admin@example.com', can_manage_users: true }]),
  service_accounts: z
    .array(
      z.strictObject({
        client_email: z.string().min(1),
        public_key: z.string().refine(isPublicKey, 'must be a public key in PEM'),
        /** Delegated to it for the whole domain in the admin console; with none, every assertion is refused. */
        scopes,
      }),
    )
    .default([]),
  oauth_clients: z
    .array(
      z.strictObject({
        client_id: z.string().min(1),
        client_secret: z.string().min(1),
        refresh_tokens: z.array(z.strictObject({ refresh_token: z.string().min(1), administrator: address, scopes })),
      }),
    )
    .default([
      {
        client_id: '000000000000-simulator.apps.googleusercontent.com',
        client_secret: 'GOCSPX-SimulatorDemoSecret',
        refresh_tokens: [
          {
            refresh_token: '1//0SimulatorDemoRefreshToken-google',
            administrator: 'admin@example.com',
            scopes: [DIRECTORY_SCOPE],
          },
        ],
      },
    ]),
  /** 3599 in every published answer; shorter here so that expiry can be tested. */
  access_token_seconds: z.int().min(1).default(3599),
  /** Whether the Admin SDK is switched on in the Cloud project. */
  is_api_enabled: z.boolean().default(true),
  /** Whether the customer's edition and console let APIs in. */
  is_api_access_allowed: z.boolean().default(true),
  /** Every query; limits page: 2,400 a minute for one user of one project. null: none. */
  rate_limit: rateLimitRuleSchema.nullable().default({ requests: 2400, per_seconds: 60 }),
  /** Limits page: 10 user creations a second for one domain. null: none. */
  rate_limit_creates: rateLimitRuleSchema.nullable().default({ requests: 10, per_seconds: 1 }),
  /** 429 rateLimitExceeded or 403 userRateLimitExceeded: both are seen, and which comes when is not published. */
  rate_limit_status: z.union([z.literal(429), z.literal(403)]).default(429),
  /**
   * How long a new user stays out of sight of get and list and cannot be changed; seconds at Google, sometimes minutes.
   */
  settling_ms: z.int().min(0).default(300),
  /** What a get answers meanwhile: both were seen (terraform-provider-googleworkspace#213, #492). */
  settling_answer: z.enum(['not_found', 'forbidden']).default('not_found'),
  /** Google's guide says 201, recorded clients accept both; unverified. */
  created_status: z.union([z.literal(200), z.literal(201)]).default(200),
  /** Users that the licence allows, administrators not counted; null: no limit. */
  user_limit: z.int().min(0).nullable().default(null),
  /** How an address in a foreign domain is refused; both were seen. */
  foreign_domain_answer: z.enum(['forbidden', 'domain_not_found']).default('forbidden'),
  org_units: z.array(z.string().startsWith('/')).default(['/', '/Engineering', '/Sales']),
  custom_schemas: z.array(z.string().min(1)).default([]),
  /** Addresses of groups: taken, like those of users. */
  groups: z.array(address).default(['everyone@example.com']),
  /** Consumer accounts with an address in the customer's domains; they matter to resolveConflictAccount only. */
  unmanaged_accounts: z.array(address).default([]),
  /** The console's option for them: invite answers 202, keep answers 409. */
  unmanaged_account_option: z.enum(['invite', 'keep']).default('invite'),
  /** What the 202 holds is not published: the user without an id, or nothing. */
  invitation_has_body: z.boolean().default(true),
  /** Not published: whether a name that User does not have is ignored, or refuses the request. */
  ignores_unknown_fields: z.boolean().default(true),
  /** Reported of some clients, unverified: the primary address once more among emails refuses the request. */
  refuses_primary_in_emails: z.boolean().default(false),
})
export type GoogleWorkspaceSettings = z.output<typeof settingsSchema>
