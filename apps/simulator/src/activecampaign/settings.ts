import { z } from 'zod'
import { rateLimitRuleSchema } from '../framework/rate-limit.ts'
import { commonSettingsSchema } from '../framework/vendor.ts'

const REQUIRABLE = ['username', 'email', 'firstName', 'lastName', 'password', 'group'] as const

export const settingsSchema = commonSettingsSchema.extend({
  /** Keys that are let in. Each belongs to the owner of the account, and has the rights of the owner's group. */
  api_tokens: z.array(z.string().min(1)).default(['SimulatorDemoKey-activecampaign']),
  /**
   * Documented: a missing or invalid Api-Token answers 403, not 401. A client of others met 401, so either can be had.
   */
  bad_token_status: z.union([z.literal(401), z.literal(403)]).default(403),
  /** The user who was there first; `GET /users/me`. */
  owner: z
    .strictObject({
      username: z.string().min(1),
      email: z.string().min(1),
      firstName: z.string(),
      lastName: z.string(),
      group: z.int(),
    })
    .default({ username: 'admin', email: 'admin@example.com', firstName: 'John', lastName: 'Doe', group: 3 }),
  /** `can_manage_users` becomes the flags pg_user_add, pg_user_edit and pg_user_delete. */
  groups: z
    .array(
      z.strictObject({
        id: z.int().min(1),
        title: z.string(),
        descript: z.string().default(''),
        can_manage_users: z.boolean().default(false),
      }),
    )
    .default([
      {
        id: 3,
        title: 'Admin',
        descript: 'This is a group for admin users (people that can manage content)',
        can_manage_users: true,
      },
      { id: 4, title: 'Marketing', descript: '', can_manage_users: false },
    ]),
  /** Documented: 5 a second for the whole account, all keys and calls together, and no burst. Null: none. */
  rate_limit: rateLimitRuleSchema.nullable().default({ requests: 5, per_seconds: 1 }),
  /** The value of Retry-After in the vendor's own example; how it is worked out is not documented. */
  retry_after_seconds: z.int().min(0).default(30),

  // From here on: what the vendor does not document. Each default is the likeliest by its other resources.

  /**
   * The specification requires nothing of a user; guides name these. A last name may be missing, as people with one
   * name have none.
   */
  required: z.array(z.enum(REQUIRABLE)).default(['username', 'email', 'firstName', 'password', 'group']),
  /** `errors`: 422 with code `duplicate`, as for contacts and accounts. `message`: 422 with a plain message. */
  duplicate_answer: z.enum(['errors', 'message']).default('errors'),
  username_is_case_sensitive: z.boolean().default(false),
  email_is_unique: z.boolean().default(false),
  /**
   * Users of the account, its owner included; null: no end. Plans have 1 (Starter, Plus), 3 (Pro) and 5 (Enterprise).
   */
  seat_limit: z.int().min(1).nullable().default(null),
  /** What a full account answers; the words are this simulator's own. */
  seat_limit_answer: z
    .strictObject({ status: z.int().min(400).max(499), body: z.json() })
    .default({ status: 403, body: { message: 'You have reached the limit of users of your plan.' } }),
  /**
   * How a look-up says that there is no such user: "No Result found" came with 404 and 403 for others; 200 is an empty
   * object.
   */
  absent_status: z.union([z.literal(404), z.literal(403), z.literal(200)]).default(404),
  /** How long a new user stays hidden from look-ups and lists; it is counted as taken at once. */
  lookup_lag_ms: z.int().min(0).default(0),
})
export type ActiveCampaignSettings = z.output<typeof settingsSchema>
