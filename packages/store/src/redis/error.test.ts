import { createRequire } from 'node:module'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { connectRedis, type Redis } from './connect.ts'
import { defineScript } from './script.ts'
import { isRedisUnavailable } from './error.ts'

type ErrorClass = new (...values: unknown[]) => Error

/** Every error class of a module: one that a library adds later fails the test until it is classified. */
function classesOf(module: unknown): [string, ErrorClass][] {
  return Object.values(module as Record<string, unknown>).flatMap((value): [string, ErrorClass][] =>
    typeof value === 'function' && (value === Error || value.prototype instanceof Error)
      ? [[value.name, value as ErrorClass]]
      : [],
  )
}

const fromStore = createRequire(import.meta.url)
const fromIoredis = createRequire(fromStore.resolve('ioredis'))
const cluster: unknown = fromIoredis('./errors/ClusterAllFailedError')
const classes = [
  ...classesOf(fromIoredis('redis-errors')),
  ...classesOf(fromIoredis('./errors')),
  ...classesOf(cluster),
]

/** Arguments that the class's own constructor takes. */
const madeWith: Record<string, unknown[]> = {
  ParserError: ['Protocol error', Buffer.from('?'), 0],
  MaxRetriesPerRequestError: [0],
}

describe('errors of the client', () => {
  test('all of its classes are known', () => {
    expect(classes.map(([name]) => name).sort()).toEqual([
      'AbortError',
      'ClusterAllFailedError',
      'InterruptError',
      'MaxRetriesPerRequestError',
      'ParserError',
      'RedisError',
      'ReplyError',
    ])
  })

  test.each(classes.filter(([name]) => name !== 'ReplyError'))('%s is an outage', (name, Class) => {
    expect(isRedisUnavailable(new Class(...(madeWith[name] ?? ['whatever it says'])))).toBe(true)
  })

  test.each([
    'Connection is closed.',
    "Stream isn't writeable and enableOfflineQueue options is false",
    'Command timed out',
    'connect ETIMEDOUT',
    "Socket timeout. Expecting data, but didn't receive any in 10ms.",
    'None of startup nodes is available',
    'Cluster is disconnected.',
    'Cluster is disconnecting.',
    "Cluster isn't ready and enableOfflineQueue options is false",
    'Too many Cluster redirections. Last error: Error: MOVED 1 127.0.0.1:1',
    'Node is disconnected',
    'No master node is available for the pipeline',
    'Failed to refresh slots cache.',
    'All sentinels are unreachable. Retrying from scratch after 10ms.',
  ])('"%s" is an outage', (message) => {
    expect(isRedisUnavailable(new Error(message))).toBe(true)
  })

  test.each(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENOTFOUND', 'EAI_AGAIN'])(
    '%s is an outage',
    (code) => expect(isRedisUnavailable(Object.assign(new Error('connect'), { code }))).toBe(true),
  )

  test.each([
    new Error('Connection in subscriber mode, only subscriber commands may be used'),
    new TypeError('x is not a function'),
    new DOMException('The operation was aborted', 'AbortError'),
    Object.assign(new Error('The operation was aborted'), { name: 'AbortError', code: 'ABORT_ERR' }),
    'READONLY',
    undefined,
  ])('%s is none', (error) => expect(isRedisUnavailable(error)).toBe(false))
})

describe('what Redis answers', () => {
  const ReplyError = classes.find(([name]) => name === 'ReplyError')?.[1] ?? Error

  test.each([
    "READONLY You can't write against a read only replica.",
    "ERR Error running script (call to f_0123): @user_script:1: @user_script: 1: -READONLY You can't write.",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    'UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)',
    'REDIRECT 127.0.0.1:6380',
    'LOADING Redis is loading the dataset in memory',
    "OOM command not allowed when used memory > 'maxmemory'.",
    'MISCONF Redis is configured to save RDB snapshots, but it is currently unable to persist to disk.',
    'NOREPLICAS Not enough good replicas to write.',
    'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
    'UNKILLABLE Sorry the script already executed write commands against the dataset.',
    'EXECABORT Transaction discarded because of previous errors.',
    'CLUSTERDOWN Hash slot not served',
    'TRYAGAIN Multiple keys request during rehashing of slot',
    'MOVED 3999 127.0.0.1:6381',
    'ASK 3999 127.0.0.1:6381',
    'NOAUTH Authentication required.',
    'WRONGPASS invalid username-password pair or user is disabled.',
    "NOPERM this user has no permissions to run the 'set' command",
    'DENIED Redis is running in protected mode.',
    'IOERR error or timeout reading to target instance',
    'ERR max number of clients reached',
    'ERR WAIT cannot be used with replica instances.',
    'ERR Error running script (call to f_0123): @user_script:1: Script killed by user with SCRIPT KILL...',
  ])('%s: an outage', (message) => expect(isRedisUnavailable(new ReplyError(message))).toBe(true))

  test.each([
    'WRONGTYPE Operation against a key holding the wrong kind of value',
    'NOSCRIPT No matching script. Please use EVAL.',
    "ERR unknown command 'FOO'",
    'CROSSSLOT Keys in request do not hash to the same slot',
    'ERR Error running script (call to f_0123): @user_script:1: attempt to index a nil value',
  ])('%s: a fault of ours', (message) => expect(isRedisUnavailable(new ReplyError(message))).toBe(false))
})

describe('a connection that ends inside a pipeline', () => {
  const open: { close(): void }[] = []
  afterEach(() => open.splice(0).forEach((one) => one.close()))

  /** Answers the handshake, then `answers` of each pipeline, and ends the connection. */
  async function redisThatDies(answers: number): Promise<Redis> {
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('data', (bytes) => {
        const names = [...bytes.toString().matchAll(/\*\d+\r\n\$\d+\r\n(\w+)/g)].map(([, name]) => name?.toLowerCase())
        const isHandshake = names.some((name) => name === 'hello' || name === 'client' || name === 'info')
        const count = isHandshake ? names.length : answers
        socket.write(
          names
            .slice(0, count)
            .map((name) => (name === 'info' ? '$11\r\nrole:master\r\n' : '+OK\r\n'))
            .join(''),
        )
        if (!isHandshake) socket.destroy()
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const redis = connectRedis(`redis://127.0.0.1:${port}`, 'request', () => undefined)
    open.push({
      close: () => {
        redis.disconnect()
        sockets.forEach((socket) => socket.destroy())
        server.close()
      },
    })
    await new Promise((resolve) => redis.once('ready', resolve))
    return redis
  }

  test.each([0, 1, 2])(
    'after %i answers: what is read is refused as an outage, and is not taken for nothing',
    async (answers) => {
      const redis = await redisThatDies(answers)
      const failure: unknown = await redis
        .pipeline()
        .get('a')
        .get('b')
        .get('c')
        .exec()
        .catch((error: unknown) => error)
      expect(failure).toBeInstanceOf(Error)
      expect(isRedisUnavailable(failure)).toBe(true)
    },
  )

  test('scripts in a pipeline: the same', async () => {
    const redis = await redisThatDies(1)
    const script = defineScript({ lua: 'return 1' })
    const failure: unknown = await script.pipelined(redis, [{}, {}]).catch((error: unknown) => error)
    expect(isRedisUnavailable(failure)).toBe(true)
  })
})
