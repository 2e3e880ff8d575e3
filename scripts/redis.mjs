import { mkdirSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { findRedisServer } from './find-redis.mjs'
import { findFreePort } from './ports.mjs'
import { ChildEnded, startProcess, waitUntil } from './processes.mjs'
import { Refusal } from './refusal.mjs'

/**
 * Starts a private Redis (or Valkey) on 127.0.0.1 and resolves once it answers PING, its data loaded.
 * It ends with this process, even when this process is killed with -9.
 *
 * - `dir`: its working directory, made if absent; the append-only file lives there, so starting again with the same
 *   `dir` finds the data again.
 * - `port`: 0 or absent takes a free one. A fault test passes the `port` of the server it killed to start it again.
 * - `appendonly`: `false` (nothing survives), `'everysec'`, or `'always'` (fsync before every answer).
 * - `command`: the server's path; found on PATH when absent.
 * - `databases`: how many it has; 16 as Redis' own default.
 * - `logFile`: where its log goes. `start`: starts the process, in place of startProcess.
 *
 * Resolves with `{ url, port, pid, exited, stop(signal = 'SIGTERM') }`; `stop` resolves when the process is gone.
 * `stop('SIGKILL')` is the crash that fault tests want.
 *
 * @example
 * const redis = await startRedis({ dir, appendonly: 'always' })
 * await redis.stop('SIGKILL')
 * const again = await startRedis({ dir, port: redis.port, appendonly: 'always' })
 */
export async function startRedis({
  dir,
  port = 0,
  appendonly = false,
  command = findRedisServer(),
  logFile,
  databases = 16,
  start = startProcess,
}) {
  if (!command) throw new Refusal('no redis-server or valkey-server (6.2 or newer) on PATH')
  mkdirSync(dir, { recursive: true })
  // A free port may be taken before Redis opens it; a given one is the caller's to choose again.
  for (let attempt = 1; ; attempt += 1) {
    const chosen = port || (await findFreePort())
    try {
      return await startOnPort({ dir, port: chosen, appendonly, command, logFile, databases, start })
    } catch (error) {
      const lostRace = error instanceof ChildEnded && error.child.lastLines().some((line) => /in use/i.test(line))
      if (port || !lostRace || attempt === 5) throw error
    }
  }
}

async function startOnPort({ dir, port, appendonly, command, logFile, databases, start }) {
  const persistence = appendonly ? ['--appendonly', 'yes', '--appendfsync', appendonly] : ['--appendonly', 'no']
  const args = [
    '--bind',
    '127.0.0.1',
    '--port',
    String(port),
    '--dir',
    dir,
    '--databases',
    String(databases),
    '--daemonize',
    'no',
    '--save',
    '',
    ...persistence,
  ]
  // noeviction: under memory pressure Redis must refuse writes, never drop a queue (docs.bullmq.io, going to
  //   production).
  args.push('--maxmemory-policy', 'noeviction')
  const child = start({ name: 'redis', command, args, logFile })
  const url = `redis://127.0.0.1:${port}`
  // The answer must come from this child: PING alone would also succeed at another process that took the port first.
  const isReady = async () =>
    (await ask(url, ['INFO', 'server'], `process_id:${child.pid}\r\n`)) === undefined ? true : undefined
  try {
    // Loading a large append-only file takes its time; Redis answers LOADING meanwhile.
    await waitUntil(isReady, { child, deadlineMs: 120_000, everyMs: 20, what: 'an answer from Redis' })
  } catch (error) {
    await child.stop({ signal: 'SIGKILL' })
    throw error
  }
  return {
    url,
    port,
    pid: child.pid,
    exited: child.exited,
    stop: (signal = 'SIGTERM') => child.stop({ signal, graceMs: 15_000 }),
  }
}

/**
 * Resolves with undefined when a Redis answers PING at `url`, else with the reason in a few words. Needs no client
 * library.
 */
export function pingRedis(url, timeoutMs = 2_000) {
  return ask(url, ['PING'], '+PONG\r\n', timeoutMs)
}

/** Sends one command and resolves with undefined once the answer holds `expected`, else with what went wrong. */
async function ask(url, command, expected, timeoutMs = 2_000) {
  let target
  try {
    target = new URL(url)
  } catch {
    return 'it is not a URL'
  }
  if (target.protocol !== 'redis:' && target.protocol !== 'rediss:') return 'it must begin with redis:// or rediss://'
  const host = target.hostname.replace(/^\[|\]$/g, '') || '127.0.0.1'
  const address = { host, port: Number(target.port || 6379) }
  const password = decodeURIComponent(target.password)
  const login = password ? [['AUTH', ...(target.username ? [decodeURIComponent(target.username)] : []), password]] : []
  const request = [...login, command].map(encodeCommand).join('')

  return new Promise((resolve) => {
    const socket = target.protocol === 'rediss:' ? connectTls({ ...address, servername: host }) : connectTcp(address)
    let answer = ''
    const finish = (reason) => {
      socket.destroy()
      resolve(reason)
    }
    // Not socket.setTimeout, which restarts with every byte.
    const timer = setTimeout(() => finish(`no answer within ${timeoutMs / 1000} s`), timeoutMs)
    socket.on('close', () => {
      clearTimeout(timer)
      resolve('the connection was closed')
    })
    socket.on('error', (error) => finish(error.code ?? error.message))
    socket.on('data', (data) => {
      answer += data
      const failure = /^-(.*)\r\n/m.exec(answer)
      if (failure) finish(failure[1])
      else if (answer.includes(expected)) finish(undefined)
    })
    socket.write(request)
  })
}

function encodeCommand(words) {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`
}
