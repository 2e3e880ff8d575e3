import { z } from 'zod'

export const scopes = ['provision', 'read', 'admin'] as const
export const scopeSchema = z.enum(scopes).meta({
  id: 'Scope',
  description: 'provision: create, cancel, retry. read: see operations, accounts, metadata. admin: accounts and keys.',
})
export type Scope = z.infer<typeof scopeSchema>

/** Of keys and of accounts: test keys open test accounts alone, live keys open both. */
export const modeSchema = z.enum(['live', 'test']).meta({ id: 'Mode' })

export const apiKeyInputSchema = z
  .strictObject({
    name: z.string().trim().min(1).max(200),
    scopes: z.array(scopeSchema).min(1).max(scopes.length),
    mode: modeSchema.optional().meta({
      description:
        'test: a key mk_test_…, which opens accounts of mode test alone. Default live. A test key makes test keys alone.',
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
  .extend({ api_key: z.string().meta({ description: 'Shown this once.' }) })
  .meta({ id: 'CreatedApiKey' })
