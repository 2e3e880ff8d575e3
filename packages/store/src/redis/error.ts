import { ReplyError } from 'ioredis'

/** What a connection that was lost, or never made, says; ioredis and BullMQ have no class or code for most of it. */
const connectionMessages: readonly (string | RegExp)[] = [
  'Connection is closed.',
  'Command timed out',
  'connect ETIMEDOUT',
  /^Stream isn't writeable/,
  /^Socket timeout\. /,
  /^Command queue state error\. /,
  /^None of startup nodes is available/,
  /^Cluster is (ended|disconnected|disconnecting)\./,
  /^Cluster isn't ready/,
  /^Too many Cluster redirections\. /,
  /^Node is disconnected/,
  /^No master node is available/,
  /^Failed to refresh slots cache/,
  /^All sentinels are unreachable/,
  /^BullMQ: cluster reconnect timed out/,
]

const connectionCodes: readonly string[] = [
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]

/**
 * The first word of an error reply that says that this Redis takes no such command now, or not from us: nothing is
 * wrong with the command. https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors
 * `isDemoted`: another Redis takes it, and a new connection may lead there.
 */
const unavailableWords: Readonly<Record<string, { isDemoted: boolean }>> = {
  READONLY: { isDemoted: true },
  MASTERDOWN: { isDemoted: true },
  /** A primary that becomes a replica ends blocking commands with it. */
  UNBLOCKED: { isDemoted: true },
  REDIRECT: { isDemoted: true },
  /** On a connection that was open already: a replica that takes over its primary's data. */
  LOADING: { isDemoted: true },
  OOM: { isDemoted: false },
  MISCONF: { isDemoted: false },
  NOREPLICAS: { isDemoted: false },
  BUSY: { isDemoted: false },
  UNKILLABLE: { isDemoted: false },
  /** A command of the transaction was refused with one of the others. */
  EXECABORT: { isDemoted: false },
  CLUSTERDOWN: { isDemoted: false },
  TRYAGAIN: { isDemoted: false },
  MOVED: { isDemoted: false },
  ASK: { isDemoted: false },
  NOAUTH: { isDemoted: false },
  WRONGPASS: { isDemoted: false },
  NOPERM: { isDemoted: false },
  DENIED: { isDemoted: false },
  IOERR: { isDemoted: false },
}

/** Replies of the same kind that begin with the general ERR. */
const unavailableReplies: readonly RegExp[] = [
  /^ERR max number of clients/,
  /^ERR WAIT cannot be used with replica/,
  /Script killed by user/,
]

/** redis-errors has a class for each thing but exports none through ioredis, save one of their children. */
const RedisError: unknown = Object.getPrototypeOf(ReplyError)
const isOf = (error: Error, type: unknown): boolean => typeof type === 'function' && error instanceof type

/** The word that Redis gave its refusal, such as READONLY. Redis 6.2 hides it behind the script that met it. */
export function redisWordOf(error: Error): string | undefined {
  return /^(?:ERR Error running script .*?: -)?([A-Z]+)\b/.exec(error.message)?.[1]
}

/** Redis cannot be reached, is frozen, demoted, full or refuses us: nothing is wrong with the request. */
export function isRedisUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (isOf(error, ReplyError)) {
    return (
      Object.hasOwn(unavailableWords, redisWordOf(error) ?? '') ||
      unavailableReplies.some((reply) => reply.test(error.message))
    )
  }
  // Aborted, interrupted, out of retries, out of nodes, out of step: each says that no answer came.
  if (isOf(error, RedisError)) return true
  const { code } = error as { code?: unknown }
  if (typeof code === 'string' && connectionCodes.includes(code)) return true
  return connectionMessages.some((message) =>
    typeof message === 'string' ? message === error.message : message.test(error.message),
  )
}

/** This Redis was a primary and is one no longer: the connection is of no use, however long it stays open. */
export function isDemotion(error: Error): boolean {
  const word = redisWordOf(error) ?? ''
  return (
    isOf(error, ReplyError) &&
    ((Object.hasOwn(unavailableWords, word) && unavailableWords[word]?.isDemoted === true) ||
      error.message.startsWith('ERR WAIT cannot be used with replica'))
  )
}
