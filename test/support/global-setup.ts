import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type {} from 'vitest'
import type { TestProject } from 'vitest/node'
import { findOrInstallRedisServer } from '../../scripts/find-redis.mjs'
import { startRedis } from '../../scripts/redis.mjs'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The run's own Redis: nothing persisted, shared by all test files, so each keeps to a key prefix of its own. */
    redisUrl: string
  }
}

/**
 * One private Redis per run, on a free port and in a folder of its own. Always a real one: the in-memory
 * stand-in cannot show what a crash or a restart does.
 */
export default async function startTestRedis(project: TestProject): Promise<() => Promise<void>> {
  const command = await findOrInstallRedisServer()
  if (command === undefined) throw new Error('The tests need redis-server or valkey-server (6.2 or newer) on PATH.')
  const dir = await mkdtemp(join(tmpdir(), 'muster-test-redis-'))
  const redis = await startRedis({ dir, command, databases: 256 })
  project.provide('redisUrl', redis.url)
  return async () => {
    await redis.stop()
    await rm(dir, { recursive: true, force: true })
  }
}
