import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { findOrInstallRedisServer } from './find-redis.mjs'
import { startInMemoryRedis } from './in-memory-redis.mjs'
import { logFile, redisFolder, redisPortFile } from './paths.mjs'
import { whyPortIsNotFree } from './ports.mjs'
import { pingRedis, startRedis } from './redis.mjs'
import { Refusal } from './refusal.mjs'

/**
 * The Redis of this run: the one REDIS_URL names, else a private one, else the in-memory stand-in. Resolves with its
 * URL.
 */
export async function provideRedis({ startTool, startService, say }) {
  if (process.env.REDIS_URL) {
    await checkGivenRedis()
    say(`Using the Redis of REDIS_URL (${withoutPassword(process.env.REDIS_URL)}).`)
    return process.env.REDIS_URL
  }
  const command = await findOrInstallRedisServer({ say, start: startTool })
  if (command === undefined) {
    say('No Redis: using js-redis-server instead, in memory, for a look only. What you create is gone when this stops.')
    const { url } = await startInMemoryRedis({ startTool, startService, logFile: logFile('redis'), say })
    return url
  }
  const redis = await startRedis({
    dir: redisFolder,
    port: await rememberedPort(),
    appendonly: 'everysec',
    command,
    logFile: logFile('redis'),
    start: startService,
  })
  writeFileSync(redisPortFile, `${redis.port}\n`)
  say(`Redis is up on port ${redis.port}, its data in .muster/redis.`)
  return redis.url
}

/** Throws a Refusal when REDIS_URL is set and nothing answers there; asked before anything is installed. */
export async function checkGivenRedis() {
  if (!process.env.REDIS_URL) return
  const reason = await pingRedis(process.env.REDIS_URL, 5_000)
  if (reason)
    throw new Refusal(`cannot use the Redis of REDIS_URL (${withoutPassword(process.env.REDIS_URL)}): ${reason}`)
}

// The same port as last time, so that a redis-cli or a second tool pointed at it keeps working.
async function rememberedPort() {
  if (!existsSync(redisPortFile)) return 0
  const port = Number(readFileSync(redisPortFile, 'utf8'))
  const isUsable = Number.isInteger(port) && port > 0 && port < 65_536 && (await whyPortIsNotFree(port)) === undefined
  return isUsable ? port : 0
}

function withoutPassword(url) {
  return url.replace(/\/\/[^@/]*@/, '//…@')
}
