import { z } from 'zod'
import { rateLimitRuleSchema } from '../framework/rate-limit.ts'
import { commonSettingsSchema } from '../framework/vendor.ts'

export const ORGANIZATION_ACCESS = ['full', 'read-only', 'enterprise', 'none'] as const

export const settingsSchema = commonSettingsSchema.extend({
  /** API keys that are let in, each with the rights of the admin who owns it. */
  api_keys: z
    .array(
      z.strictObject({
        key: z.string().min(1),
        /** Below full, writing is 403. */
        org_access: z.enum(ORGANIZATION_ACCESS).default('full'),
        /** The organizations where the owner is an admin; others are 404. null: all. */
        organization_ids: z.array(z.string().min(1)).nullable().default(null),
      }),
    )
    .default([{ key: 'SimulatorDemoKey-meraki', org_access: 'full', organization_ids: null }]),
  /** Apps that an admin has consented to, each with the refresh token it was given first. */
  oauth_clients: z
    .array(
      z.strictObject({
        client_id: z.string().min(1),
        client_secret: z.string().min(1),
        refresh_token: z.string().min(1),
        scopes: z.array(z.string().min(1)),
      }),
    )
    .default([
      {
        client_id: 'simulator-demo-app',
        client_secret: 'simulator-demo-secret',
        refresh_token: 'simulator-demo-refresh-token',
        scopes: [
          'dashboard:iam:config:read',
          'dashboard:iam:config:write',
          'dashboard:general:config:read',
          'dashboard:general:config:write',
        ],
      },
    ]),
  /** An hour at Meraki. */
  access_token_seconds: z.int().min(1).default(3600),
  /** A refresh token that is not used dies after this. */
  refresh_token_idle_days: z.number().positive().default(90),
  organizations: z
    .array(
      z.strictObject({
        id: z.string().min(1),
        name: z.string().min(1),
        networks: z.array(
          z.strictObject({ id: z.string().min(1), name: z.string().min(1), is_wireless: z.boolean().default(true) }),
        ),
      }),
    )
    .default([
      {
        id: '549236',
        name: 'Simulated Organization',
        networks: [
          { id: 'N_24329156', name: 'Main Office', is_wireless: true },
          { id: 'L_646829496481105433', name: 'Branch', is_wireless: true },
        ],
      },
      {
        id: '549237',
        name: 'Second Organization',
        networks: [{ id: 'N_24329157', name: 'Warehouse', is_wireless: false }],
      },
    ]),
  /** Admins who were there before, from the next reset on; one without an email is a real case. */
  existing_admins: z
    .array(
      z.strictObject({
        organization_id: z.string().min(1),
        name: z.string().min(1),
        email: z.string().min(1).optional(),
      }),
    )
    .default([]),
  /** Per organization, token bucket: 10 a second and 10 more in the first, 30 in two. null: none. */
  rate_limit: rateLimitRuleSchema.nullable().default({ requests: 10, per_seconds: 1, burst: 10 }),
  /** Of one source address; every client of a simulator counts as one. */
  rate_limit_per_address: rateLimitRuleSchema.nullable().default({ requests: 100, per_seconds: 1 }),
  /**
   * Requests under another host name are redirected here, to the same port: with 127.0.0.1 as the first address,
   *   `localhost` is a shard.
   * Seen from 2018 on (302, 307, 308); whether today's api.meraki.com still does it is not documented.
   */
  shard_hostname: z.string().min(1).nullable().default(null),
  shard_redirect_status: z
    .union([z.literal(301), z.literal(302), z.literal(303), z.literal(307), z.literal(308)])
    .default(308),
  /** v0's header in place of Bearer: the specification still declares it, the vendor's pages say not to send it. */
  accepts_legacy_header: z.boolean().default(false),
  /** The exact words for a wrong key are not documented; a missing one is "Missing API key". */
  invalid_key_message: z.string().min(1).default('Invalid API key'),
  /** Only "already been taken" was seen, by a third party's test against a real organization. */
  duplicate_message: z.string().min(1).default('Email has already been taken'),
  duplicate_status: z.int().min(400).max(499).default(400),
  /** What a new admin is until the mail is answered; `pending` exists too. */
  new_admin_status: z.enum(['unverified', 'pending', 'ok']).default('unverified'),
  /** Whether orgAccess none without networks and tags is refused: an old Ansible page says that one must be given. */
  refuses_admin_without_access: z.boolean().default(false),
  /** Whether a network that the organization does not have is refused. */
  refuses_unknown_networks: z.boolean().default(true),
  /** Whether a network takes an address once only. */
  refuses_duplicate_network_users: z.boolean().default(true),
  /** Meraki's cap in one organization; the words of the refusal are not documented. */
  network_user_limit: z.int().min(0).default(50_000),
  /** Action batches are in the way: creates are 400 for now. */
  is_executing_batches: z.boolean().default(false),
  /** How far lists lag behind creates; no lag is known. */
  list_lag_ms: z.int().min(0).default(0),
})
export type MerakiSettings = z.output<typeof settingsSchema>
export type Organization = MerakiSettings['organizations'][number]
