import { bounds } from '@muster/contracts/bounds'

/** Of every program: they share one environment. A test compares them with what the programs read. */
const otherSettings = [
  'MUSTER_ENCRYPTION_KEYS',
  'MUSTER_ALLOWED_HOSTS',
  'MUSTER_ALLOWED_PORTS',
  'MUSTER_NAME_SERVERS',
  'MUSTER_MAX_SOCKETS',
  'MUSTER_HOST',
  'MUSTER_PORT',
  'MUSTER_WORKER_HOST',
  'MUSTER_WORKER_PORT',
  'MUSTER_WORKER_ID',
  'MUSTER_MAX_LANES',
  'MUSTER_RECHECK_SECONDS',
  'MUSTER_MAX_ATTEMPTS',
  'MUSTER_PROVIDER_TIMEOUT_MS',
  'MUSTER_RETENTION_DAYS',
  'MUSTER_DEFAULT_EXPIRY_HOURS',
  'MUSTER_WAIT_REPLICAS',
  'MUSTER_WEBHOOK_SCHEDULE',
  'MUSTER_WEBHOOK_TIMEOUT_MS',
  'MUSTER_WEBHOOK_DISABLE_AFTER_HOURS',
  'MUSTER_MAX_BATCH_ROWS',
  'MUSTER_MAX_UPLOAD_MB',
  'MUSTER_REQUESTS_AT_WORK',
  'MUSTER_KEEP_ALIVE_SECONDS',
  'MUSTER_DRAIN_SECONDS',
  'MUSTER_SHUTDOWN_GRACE_SECONDS',
  'MUSTER_SIMULATOR_HOST',
  'MUSTER_SIMULATOR_PORT',
  // docker-compose.yml
  'MUSTER_REDIS_PASSWORD',
  'MUSTER_SPOOL_SIZE',
  // Clients in examples/, which may run in the same shell
  'MUSTER_URL',
  'MUSTER_API_KEY',
  'MUSTER_ACCOUNT',
]

const settingNames: ReadonlySet<string> = new Set([
  ...otherSettings,
  ...Object.values(bounds).flatMap((bound) => ('setting' in bound ? [bound.setting.name] : [])),
])

/** Kubernetes adds these for a service that is named `muster…`. */
const OF_A_SERVICE = /_SERVICE_(HOST|PORT(_\w+)?)$|_PORT_\d+_(TCP|UDP)(_\w+)?$/
/** What is further from every known name is another word, and no slip. */
const MOST_EDITS = 5

/**
 * Names that look like settings, and that no program of this version reads, each with the known name that is nearest.
 * They are only warned of: the environment may be written for a newer version. Holds no value.
 */
export const findUnknownSettings = (environment: Record<string, string | undefined>): string[] =>
  Object.keys(environment)
    .filter((name) => name.startsWith('MUSTER_') && !settingNames.has(name) && !OF_A_SERVICE.test(name))
    .sort()
    .map((name) => {
      const nearest = nearestName(name)
      return nearest === undefined ? name : `${name} (nearest: ${nearest})`
    })

function nearestName(name: string): string | undefined {
  const [best] = [...settingNames]
    .map((known) => ({ known, edits: countEdits(name, known) }))
    .sort((one, other) => one.edits - other.edits)
  return best && best.edits <= MOST_EDITS ? best.known : undefined
}

/** Letters to add, drop or replace (Levenshtein). */
function countEdits(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (const [index, letter] of [...from].entries()) {
    const next = [index + 1]
    for (const [at, other] of [...to].entries()) {
      const replaced = (row[at] ?? 0) + (letter === other ? 0 : 1)
      next.push(Math.min(replaced, (row[at + 1] ?? 0) + 1, (next[at] ?? 0) + 1))
    }
    row = next
  }
  return row[to.length] ?? 0
}
