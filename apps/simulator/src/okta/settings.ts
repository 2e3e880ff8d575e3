import { createPublicKey } from 'node:crypto'
import { z } from 'zod'
import { rateLimitRuleSchema } from '../framework/rate-limit.ts'
import { commonSettingsSchema } from '../framework/vendor.ts'

const isPublicKey = (pem: string): boolean => {
  try {
    createPublicKey(pem)
    return true
  } catch {
    return false
  }
}

export const settingsSchema = commonSettingsSchema.extend({
  /** SSWS tokens that are let in, each with a super admin's rights. */
  api_tokens: z.array(z.string().min(1)).default(['00SimulatorDemoToken-okta']),
  /** Service apps for private_key_jwt. */
  oauth_clients: z
    .array(
      z.strictObject({
        client_id: z.string().min(1),
        key_id: z.string().min(1),
        public_key: z.string().refine(isPublicKey, 'must be a public key in PEM'),
        scopes: z.array(z.string().min(1)),
        /** A service app needs an admin role beside its scopes; without one every call is 403 E0000006. */
        has_admin_role: z.boolean().default(true),
      }),
    )
    .default([]),
  /** Fixed at one hour by Okta; shorter here so that expiry can be tested. */
  access_token_seconds: z.int().min(1).default(3600),
  /**
   * For POST /users, GET /users and lifecycle calls, each counted on its own; null: none.
   * 300 a minute was recorded on a trial org in July 2026 (half of the org's 600, the share of one token).
   */
  rate_limit: rateLimitRuleSchema.nullable().default({ requests: 300, per_seconds: 60 }),
  /** For GET /users/{idOrLogin}; same recording. */
  rate_limit_by_id: rateLimitRuleSchema.nullable().default({ requests: 1000, per_seconds: 60 }),
  /** `search` reads a replicated index; usually less than a second behind. `filter` and look-ups by login do not. */
  search_lag_ms: z.int().min(0).default(1000),
  /** Okta's default format for logins; an org can relax it. */
  login_must_be_email: z.boolean().default(true),
  /** Profile attributes that the org has added to Okta's own. */
  custom_attributes: z.array(z.string().min(1)).default([]),
  /** Comes back in users where the org has realms. */
  realm_id: z.string().nullable().default(null),
  groups: z.array(z.strictObject({ id: z.string().min(1), name: z.string().min(1) })).default([
    { id: '00gSimulatorEveryone', name: 'Everyone' },
    { id: '00gSimulatorEngineer', name: 'Engineering' },
    { id: '00gSimulatorSalesEU1', name: 'Sales EU' },
  ]),
})
export type OktaSettings = z.output<typeof settingsSchema>
