import { spawnSync } from 'node:child_process'
import { findOrInstallProgram, findProgram } from './find-program.mjs'

const server = {
  title: 'redis-server or valkey-server (6.2 or newer)',
  names: ['redis-server', 'valkey-server'],
  isUsable: isRecent,
  packages: {
    'apt-get': ['redis-server', 'valkey-server'],
    apk: ['valkey', 'redis'],
    dnf: ['valkey', 'redis'],
    brew: ['redis', 'valkey'],
  },
}

/** The path of a Redis or Valkey server that Muster can use, found on PATH; undefined where there is none. */
export const findRedisServer = () => findProgram(server)

/** The same, or one that the system's package manager installs; `options` as for `findOrInstallProgram`. */
export const findOrInstallRedisServer = (options) => findOrInstallProgram(server, options)

// "Redis server v=7.0.15 …" or "Valkey server v=8.1.1 …". Lanes need commands of Redis 6.2.
function isRecent(path) {
  const answer = spawnSync(path, ['--version'], { encoding: 'utf8', timeout: 10_000 })
  const version = /v=(\d+)\.(\d+)/.exec(answer.stdout ?? '')
  return version !== null && Number(version[1]) + Number(version[2]) / 100 >= 6.02
}
