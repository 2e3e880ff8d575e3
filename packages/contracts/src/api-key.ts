import { z } from 'zod'

export const scopes = ['provision', 'read', 'admin'] as const
export const scopeSchema = z.enum(scopes).meta({
  id: 'Scope',
  description: 'provision: create, cancel, retry. read: see operations, accounts, metadata. admin: accounts and keys.',
})
export type Scope = z.infer<typeof scopeSchema>

/** Of keys and accounts: test keys reach only test accounts, live keys both. */
export const modeSchema = z.enum(['live', 'test']).meta({ id: 'Mode' })

export const apiKeyInputSchema = z
  .strictObject({
    name: z.string().trim().min(1).max(200),
    scopes: z.array(scopeSchema).min(1).max(scopes.length),
    mode: modeSchema.optional().meta({
      description:
        'test: a key mk_test_…, which reaches only accounts of mode test. Default live. A test key creates only test keys.',
    }),
  })
  .meta({ id: 'ApiKeyInput' })

export const apiKeySchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    scopes: z.array(scopeSchema),
    prefix: z.string().meta({ description: 'The first characters of the key, to tell keys apart.' }),
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'ApiKey' })
export type ApiKeyResource = z.infer<typeof apiKeySchema>

export const createdApiKeySchema = apiKeySchema
  .extend({ api_key: z.string().meta({ description: 'Shown only once.' }) })
  .meta({ id: 'CreatedApiKey' })
