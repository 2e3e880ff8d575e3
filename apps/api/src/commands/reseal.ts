import { checkKeys } from '@muster/store/crypto/check-keys'
import { resealAll } from '@muster/store/crypto/reseal'
import { connectForCommand } from './command-redis.ts'
import { readBootstrapConfig } from '../config.ts'

/** `npm run reseal`, after a new key was put first in MUSTER_ENCRYPTION_KEYS and every process runs with it. */
async function reseal(): Promise<void> {
  if (process.argv.length > 2) throw new RangeError('Usage: npm run reseal, without arguments.')
  const config = readBootstrapConfig()
  const redis = await connectForCommand(config.REDIS_URL, 'worker')
  const isTerminal = process.stderr.isTTY
  try {
    await checkKeys(redis, config.MUSTER_ENCRYPTION_KEYS)
    const done = await resealAll(
      redis,
      config.MUSTER_ENCRYPTION_KEYS,
      ({ looked, resealed }) => {
        if (isTerminal) process.stderr.write(`\r${looked} looked at, ${resealed} sealed again`)
      },
      (error) => process.stderr.write(`${isTerminal ? '\n' : ''}${error.message}\n`),
    )
    if (isTerminal) process.stderr.write('\n')
    process.stdout.write(`${JSON.stringify(done)}\n`)
    if (done.unreadable > 0)
      throw new RangeError(`${done.unreadable} records do not open, and were left as they are: keep the older keys.`)
  } finally {
    redis.disconnect()
  }
}

reseal().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(
      `${error instanceof RangeError ? error.message : `Stopped: ${(error as Error).message} Nothing is lost; run it again.`}\n`,
    )
    process.exit(1)
  },
)
