import { z } from 'zod'
import { modeSchema } from './api-key.ts'
import { flag } from './flag.ts'
import { jsonObjectSchema } from './json.ts'
import { remoteCallSchema } from './operation.ts'
import { providerIdSchema } from './provider-ids.ts'

const accountStatuses = ['active', 'needs_reauth', 'permission_denied', 'paused'] as const
export const accountStatusSchema = z.enum(accountStatuses).meta({ id: 'IntegratedAccountStatus' })
export type AccountStatus = z.infer<typeof accountStatusSchema>

const secret = (maximum = 8192) => z.string().trim().min(1).max(maximum)

/** What each way of logging in needs. `meta/create` says which types a provider accepts. */
export const credentialsSchema = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('api_token'), api_token: secret() }),
    z.strictObject({ type: z.literal('api_key'), api_key: secret() }),
    z.strictObject({
      type: z.literal('private_key_jwt'),
      client_id: secret(),
      private_key: secret(),
      key_id: secret(),
    }),
    z.strictObject({
      type: z.literal('service_account'),
      client_email: secret(),
      private_key: secret(),
      subject: secret(),
    }),
    z.strictObject({
      type: z.literal('refresh_token'),
      client_id: secret(),
      client_secret: secret(),
      refresh_token: secret(),
    }),
    z.strictObject({ type: z.literal('jwt_bearer'), client_id: secret(), private_key: secret(), username: secret() }),
    z.strictObject({ type: z.literal('client_credentials'), client_id: secret(), client_secret: secret() }),
  ])
  .meta({ id: 'Credentials', description: 'Write-only: never returned.', writeOnly: true })
export type Credentials = z.infer<typeof credentialsSchema>
export type CredentialType = Credentials['type']

const accountLimitsSchema = z
  .strictObject({
    requests: z.int().min(1).max(100_000).optional().meta({
      description: 'Calls allowed in `per_seconds`, at most. Without it the documented limit of the provider holds.',
    }),
    per_seconds: z.int().min(1).max(86_400).optional(),
    concurrency: z
      .int()
      .min(1)
      .max(100)
      .optional()
      .meta({ description: 'Operations of this account that run side by side.' }),
  })
  .meta({ id: 'AccountLimits' })
export type AccountLimits = z.infer<typeof accountLimitsSchema>

/** `base_url` and `token_url`, and the provider's own defaults: checked against the provider's own schema. */
const accountConfigSchema = jsonObjectSchema.meta({
  description: 'base_url, token_url, and the defaults of the provider.',
})

export const integratedAccountInputSchema = z
  .strictObject({
    provider: providerIdSchema,
    name: z.string().trim().min(1).max(200),
    mode: modeSchema.optional().meta({
      description: 'test: for test keys (mk_test_…) too, which reach nothing else. Default live; never changes.',
    }),
    credentials: credentialsSchema,
    config: accountConfigSchema.optional(),
    limits: accountLimitsSchema.optional(),
  })
  .meta({ id: 'IntegratedAccountInput' })

export const integratedAccountPatchSchema = z
  .strictObject({
    name: z.string().trim().min(1).max(200).optional(),
    credentials: credentialsSchema.optional(),
    config: accountConfigSchema.optional().meta({ description: 'Merged into the present config; null removes a key.' }),
    limits: accountLimitsSchema.optional(),
  })
  .meta({ id: 'IntegratedAccountPatch' })

export const integratedAccountSchema = z
  .object({
    id: z.uuid(),
    provider: providerIdSchema,
    name: z.string(),
    mode: modeSchema,
    status: accountStatusSchema,
    status_reason: z.string().nullable(),
    status_since: z.iso.datetime(),
    credential_type: z.string(),
    config: accountConfigSchema,
    limits: accountLimitsSchema,
    cooldown: z
      .object({ until: z.iso.datetime(), reason: z.string() })
      .nullable()
      .meta({
        description:
          'The provider asked to be left alone until then. Beyond an hour it is tried now and then with one operation. ' +
          '`POST …/resume`, new limits or new credentials end it.',
      }),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'IntegratedAccount' })
export type IntegratedAccountResource = z.infer<typeof integratedAccountSchema>

export const accountTestSchema = z
  .object({
    ok: z.boolean(),
    status: z.enum(['active', 'needs_reauth', 'permission_denied', 'unreachable']).meta({
      description:
        'What the account would be after this answer; unreachable when it says nothing about the credentials.',
    }),
    message: z.string(),
    calls: z.array(remoteCallSchema),
  })
  .meta({ id: 'IntegratedAccountTest' })
export type AccountTest = z.infer<typeof accountTestSchema>

/** What connecting an account answers, and giving it new credentials. */
export const connectedAccountSchema = integratedAccountSchema
  .extend({
    test: accountTestSchema.nullable().meta({
      description:
        'What the provider said of the new credentials; null without any, or with test=false. A status of `unreachable` leaves the account active.',
    }),
  })
  .meta({ id: 'ConnectedIntegratedAccount' })

export const accountTestQuerySchema = z.strictObject({
  test: flag.optional().meta({
    description:
      'false: new credentials are not tested. By default one harmless call is made, for ten seconds at most, and refused ones put the account on hold.',
  }),
})
