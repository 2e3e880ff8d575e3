import { parseArgs } from 'node:util'
import { scopes, scopeSchema } from '@muster/contracts/api-key'
import { unlimited } from '@muster/contracts/bounds'
import { issueWords } from '@muster/contracts/issue-words'
import { checkKeys } from '@muster/store/crypto/check-keys'
import { createTenants } from '@muster/store/tenants/tenants'
import { z } from 'zod'
import { connectForCommand } from './command-redis.ts'
import { readBootstrapConfig } from '../config.ts'

const USAGE = 'Usage: npm run bootstrap -- --tenant NAME [--scopes provision,read,admin] [--mode live|test]'

const optionsSchema = z.object({
  tenant: z.string().trim().min(1).max(200),
  scopes: z
    .string()
    .default(scopes.join(','))
    .transform((text) => text.split(',').map((scope) => scope.trim()))
    .pipe(z.array(scopeSchema).min(1)),
  mode: z.enum(['live', 'test']).default('live'),
})

/** Creates the tenant unless one of that name exists, and a key for it: the only source of the first key. */
async function bootstrap(): Promise<void> {
  const { values } = parseArgs({
    options: {
      tenant: { type: 'string' },
      scopes: { type: 'string' },
      mode: { type: 'string' },
      help: { type: 'boolean' },
    },
  })
  if (values.help) return void process.stdout.write(`${USAGE}\n`)
  const options = optionsSchema.safeParse(values, { error: issueWords })
  if (!options.success)
    throw new RangeError(
      `${options.error.issues.map((issue) => `--${issue.path.join('.')} ${issue.message}`).join('; ')}. ${USAGE}`,
    )
  const config = readBootstrapConfig()
  const redis = await connectForCommand(config.REDIS_URL, 'request')
  try {
    await checkKeys(redis, config.MUSTER_ENCRYPTION_KEYS)
    const tenants = createTenants({ redis, limits: unlimited })
    const tenantId = await tenants.ensure(options.data.tenant)
    const { scopes: given, mode } = options.data
    const { apiKey } = await tenants.createApiKey(tenantId, 'bootstrap', given, mode)
    const name = given.includes('admin') ? 'admin_api_key' : 'api_key'
    process.stdout.write(`${JSON.stringify({ tenant_id: tenantId, [name]: apiKey })}\n`)
  } finally {
    redis.disconnect()
  }
}

bootstrap().then(
  () => process.exit(0),
  (error: unknown) => {
    const isUsage = error instanceof TypeError && (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS')
    process.stderr.write(
      `${error instanceof RangeError ? error.message : isUsage ? `${(error as Error).message} ${USAGE}` : `The tenant could not be created (${(error as Error).name}).`}\n`,
    )
    process.exit(1)
  },
)
