import { parseArgs } from 'node:util'
import { checkKeys } from '@muster/store/crypto/check-keys'
import { discardOperation } from '@muster/store/operations/discard-operation'
import { connectForCommand } from './command-redis.ts'
import { readDiscardConfig } from '../config.ts'

const USAGE = 'Usage: npm run discard -- --operation ID --yes [--free-login]'
const DAY_MS = 86_400_000

/** Ends an operation whose record is damaged for good, and which nothing else can end. */
async function discard(): Promise<void> {
  const { values } = parseArgs({
    options: {
      operation: { type: 'string' },
      yes: { type: 'boolean', default: false },
      'free-login': { type: 'boolean', default: false },
    },
  })
  if (!values.operation) throw new RangeError(USAGE)
  if (!values.yes)
    throw new RangeError(
      `Nothing was done. What is left of the operation is lost, and its user may exist: repeat with --yes. ${USAGE}`,
    )
  const config = readDiscardConfig()
  const redis = await connectForCommand(config.REDIS_URL, 'worker')
  try {
    await checkKeys(redis, config.MUSTER_ENCRYPTION_KEYS)
    const { discarded, loginFreed } = await discardOperation(
      { redis, keyring: config.MUSTER_ENCRYPTION_KEYS, retentionMs: config.MUSTER_RETENTION_DAYS * DAY_MS },
      values.operation,
      { freeLogin: values['free-login'], now: Date.now() },
    )
    process.stdout.write(`${JSON.stringify({ operation: values.operation, discarded, login_freed: loginFreed })}\n`)
  } finally {
    redis.disconnect()
  }
}

discard().then(
  () => process.exit(0),
  (error: unknown) => {
    const isUsage = (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS')
    process.stderr.write(
      `${error instanceof RangeError ? error.message : isUsage ? USAGE : `Stopped (${(error as Error).name}). Run it again.`}\n`,
    )
    process.exit(1)
  },
)
