import { z } from 'zod'
import { warningSchema } from './operation.ts'
import { providerIdSchema } from './provider-ids.ts'

/** The answer to a create with dry_run. */
export const dryRunSchema = z
  .object({
    dry_run: z.literal(true),
    provider: providerIdSchema,
    requests: z.array(
      z.object({
        purpose: z.string().meta({
          description: 'token, look_up, create or read; answers of earlier ones stand as <placeholders> in later ones.',
        }),
        method: z.string(),
        url: z.string(),
        headers: z.record(z.string(), z.string()),
        body: z.unknown(),
      }),
    ),
    warnings: z.array(warningSchema),
    estimated_wait_seconds: z.number().nullable().meta({ description: 'null while the account is on hold.' }),
    account_status: z.string(),
  })
  .meta({ id: 'DryRun' })

/** What a provider, or one account, requires and accepts. */
export const createMetadataSchema = z
  .object({
    provider: providerIdSchema,
    name: z.string(),
    documentation_url: z.string(),
    query_schema: z.unknown().meta({ description: 'JSON Schema of the query.' }),
    body_schema: z.unknown().meta({ description: 'JSON Schema of the body.' }),
    fields: z.record(z.string(), z.enum(['required', 'supported', 'extension'])),
    response_fields: z.array(z.string()),
    quirks: z.array(z.string()),
    credential_types: z
      .record(z.string(), z.unknown())
      .meta({ description: 'JSON Schema of each type of credentials.' }),
    config_schema: z.unknown(),
    base_url: z.object({ default: z.string().nullable(), hosts: z.array(z.string()), custom_domain: z.boolean() }),
    limits: z.object({
      requests: z.number(),
      per_seconds: z.number(),
      concurrency: z.number(),
      calls_per_create: z.number(),
      source: z.string(),
    }),
    retry: z.object({
      max_attempts: z.number(),
      backoff: z.string(),
      look_up_after_ms: z.array(z.number()),
      timeout_ms: z.number(),
    }),
  })
  .meta({ id: 'CreateMetadata' })
