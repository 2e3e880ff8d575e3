import { createUserQuerySchema } from '@muster/contracts/create-user-parameters'
import { credentialsSchema, type AccountLimits } from '@muster/contracts/integrated-account'
import { unifiedUserInputSchema } from '@muster/contracts/unified-user'
import { z } from 'zod'
import { configSchemaOf } from './account-config.ts'
import { baseUrlOf } from './base-url.ts'
import { limitsOf } from './limits.ts'
import type { AccountContext, Provider } from '../provider.ts'

const toJsonSchema = (schema: z.ZodType): Record<string, unknown> =>
  z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Record<string, unknown>

/** The unified body, cut down to what this provider takes. */
function bodySchemaOf(provider: Provider): Record<string, unknown> {
  const { $schema, properties = {} } = toJsonSchema(unifiedUserInputSchema) as {
    $schema: unknown
    properties?: Record<string, object>
  }
  const taken = Object.entries(provider.fields).map(([field, support]) => [
    field,
    { ...properties[field], 'x-muster-support': support },
  ])
  const required = Object.entries(provider.fields)
    .filter(([, support]) => support === 'required')
    .map(([field]) => field)
  return { $schema, type: 'object', properties: Object.fromEntries(taken), required, additionalProperties: false }
}

function querySchemaOf(provider: Provider): Record<string, unknown> {
  const schema = toJsonSchema(createUserQuerySchema) as { properties: Record<string, object>; required?: string[] }
  const names = ['organization_id', 'workspace_id'] as const
  const properties = Object.fromEntries(
    Object.entries(schema.properties).filter(
      ([name]) => !names.some((own) => own === name && !provider.parameters[own]),
    ),
  )
  const required = [...(schema.required ?? []), ...names.filter((name) => provider.parameters[name] === 'required')]
  return { ...schema, properties, required }
}

function credentialSchemasOf(provider: Provider): Record<string, unknown> {
  const variants = credentialsSchema.options.filter((option) => provider.authentications[option.shape.type.value])
  return Object.fromEntries(variants.map((option) => [option.shape.type.value, toJsonSchema(option)]))
}

/** Everything a caller must know to create users at this provider, as data; nothing of it is kept as a second list. */
export function describeCreate(
  provider: Provider,
  retry: { maxAttempts: number },
  account?: AccountContext & { limits: AccountLimits },
) {
  const { requests, perSeconds, concurrency, callsPerCreate } = limitsOf(provider, account?.limits ?? {})
  return {
    provider: provider.id,
    name: provider.name,
    documentation_url: provider.documentationUrl,
    query_schema: querySchemaOf(provider),
    body_schema: bodySchemaOf(provider),
    fields: provider.fields,
    response_fields: [...provider.responseFields, 'remote_data'],
    quirks: provider.quirks,
    credential_types: credentialSchemasOf(provider),
    config_schema: toJsonSchema(configSchemaOf(provider)),
    base_url: {
      default: account ? baseUrlOf(provider, account.config) : provider.defaultBaseUrl,
      hosts: provider.hosts.patterns.map((pattern) => pattern.source),
      custom_domain: provider.hosts.allowsCustomDomain,
    },
    limits: {
      requests,
      per_seconds: perSeconds,
      concurrency,
      calls_per_create: callsPerCreate,
      source: account?.limits.requests === undefined ? provider.limits.source : 'The limits of this account.',
    },
    retry: {
      max_attempts: retry.maxAttempts,
      backoff: 'exponential from 1 s, full jitter, at most 15 minutes; rate limits and holds do not count',
      look_up_after_ms: [...provider.lookUpAfterMs],
      timeout_ms: provider.timeoutMs,
    },
  }
}
