import { connectRedis } from '@muster/store/redis'
import { resealAll } from '@muster/store/reseal'
import { readBootstrapConfig } from './config.ts'

/** `npm run reseal`: after a new key was put in front of MUSTER_ENCRYPTION_KEYS and every process runs with it. */
async function reseal(): Promise<void> {
  const config = readBootstrapConfig()
  const redis = connectRedis(config.REDIS_URL, 'worker', () => undefined)
  const isTerminal = process.stderr.isTTY
  try {
    await new Promise<void>((resolve, reject) => {
      redis.once('ready', resolve)
      setTimeout(() => reject(new RangeError('Redis at REDIS_URL cannot be reached.')), 5_000).unref()
    })
    const done = await resealAll(redis, config.MUSTER_ENCRYPTION_KEYS, ({ looked, resealed }) => {
      if (isTerminal) process.stderr.write(`\r${looked} looked at, ${resealed} sealed anew`)
    })
    if (isTerminal) process.stderr.write('\n')
    process.stdout.write(`${JSON.stringify(done)}\n`)
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
