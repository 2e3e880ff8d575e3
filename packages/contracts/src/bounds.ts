const KIB = 1024
const MIB = 1024 * KIB

interface Bound {
  /** Its name in answers and in the table of docs/operating.md. */
  what: string
  /** How to make room, in answers. */
  remedy: string
  /** How many a tenant may have. */
  most: number
  /** The size of one; null where its parts are counted elsewhere. */
  bytes: number | null
  /** The setting by which an operator changes `most`, and its maximum. */
  setting?: { name: string; most: number }
  /** For requests that last: how many one API process serves in total. */
  perProcess?: number
}

/**
 * Everything that a tenant can store or start. Scripts, routes, settings and the table of docs/operating.md read it
 * here; whatever grows with the requests of a tenant must be in it.
 */
export const bounds = {
  apiKeys: { what: 'API keys', remedy: 'Revoke one', most: 100, bytes: 2 * KIB },
  integratedAccounts: {
    what: 'integrated accounts',
    remedy: 'Delete one',
    most: 1_000,
    bytes: 64 * KIB,
    setting: { name: 'MUSTER_MAX_ACCOUNTS', most: 100_000 },
  },
  columnMappings: { what: 'column mappings', remedy: 'Delete one', most: 100, bytes: 64 * KIB },
  webhookEndpoints: {
    what: 'registered webhook endpoints',
    remedy: 'Delete one',
    most: 20,
    bytes: 16 * KIB,
    setting: { name: 'MUSTER_MAX_WEBHOOK_ENDPOINTS', most: 1_000 },
  },
  callbackHosts: {
    what: 'hosts of callback addresses',
    remedy: 'Use a host that the tenant has, or delete the endpoint of one',
    most: 100,
    bytes: 4 * KIB,
    setting: { name: 'MUSTER_MAX_CALLBACK_HOSTS', most: 10_000 },
  },
  pendingDeliveries: {
    what: 'pending deliveries of one webhook endpoint',
    remedy: 'Wait until its receiver has taken some',
    most: 100_000,
    bytes: null,
    setting: { name: 'MUSTER_MAX_PENDING_DELIVERIES', most: 10_000_000 },
  },
  openBatches: {
    what: 'open batches',
    remedy: 'Wait until one has ended, finish its upload, or cancel it',
    most: 20,
    bytes: null,
    setting: { name: 'MUSTER_MAX_OPEN_BATCHES', most: 1_000 },
  },
  batches: {
    what: 'batches, open and kept',
    remedy: 'One leaves when its retention is over',
    most: 10_000,
    bytes: null,
    setting: { name: 'MUSTER_MAX_BATCHES', most: 1_000_000 },
  },
  openOperations: {
    what: 'unfinished operations',
    remedy: 'Wait until some have ended, or cancel some',
    most: 500_000,
    bytes: MIB,
    setting: { name: 'MUSTER_MAX_OPEN_ROWS', most: 10_000_000 },
  },
  openMegabytes: {
    what: 'MiB of unfinished operations',
    remedy: 'Wait until some have ended, or cancel some',
    most: 1_024,
    bytes: null,
    setting: { name: 'MUSTER_MAX_OPEN_MB', most: 1_000_000 },
  },
  keptMegabytes: {
    what: 'MiB of operations and rows accepted within the retention',
    remedy: 'Some leave when their retention is over',
    most: 16_384,
    bytes: null,
    setting: { name: 'MUSTER_MAX_KEPT_MB', most: 10_000_000 },
  },
  waits: {
    what: 'requests with Prefer: wait at the same time',
    remedy: 'Wait until one has ended',
    most: 200,
    bytes: null,
    setting: { name: 'MUSTER_MAX_WAITS', most: 10_000 },
    perProcess: 10_000,
  },
  progressStreams: {
    what: 'streams of progress at the same time',
    remedy: 'Wait until one has ended',
    most: 50,
    bytes: null,
    perProcess: 1_000,
  },
  downloads: {
    what: 'downloads of results at the same time',
    remedy: 'Wait until one has ended',
    most: 10,
    bytes: null,
    perProcess: 100,
  },
  uploads: {
    what: 'uploads at the same time',
    remedy: 'Wait until one has ended',
    most: 20,
    bytes: null,
    setting: { name: 'MUSTER_MAX_UPLOADS', most: 200 },
    perProcess: 200,
  },
  dryRuns: {
    what: 'dry runs of uploads at the same time',
    remedy: 'Wait until one has ended',
    most: 4,
    bytes: null,
    perProcess: 20,
  },
} as const satisfies Record<string, Bound>

export type BoundName = keyof typeof bounds
/** Those that an operator may change. */
export type SettableBound = {
  [Name in BoundName]: (typeof bounds)[Name] extends { setting: object } ? Name : never
}[BoundName]
/** Requests that last: each API process counts its own. */
export type HeldBound = {
  [Name in BoundName]: (typeof bounds)[Name] extends { perProcess: number } ? Name : never
}[BoundName]
/** The limits of an installation: `most`, or what its operator has set. */
export type Limits = Record<BoundName, number>

export const toLimits = (limitOf: (name: BoundName) => number): Limits =>
  Object.fromEntries((Object.keys(bounds) as BoundName[]).map((name) => [name, limitOf(name)])) as Limits

export const defaultLimits: Limits = toLimits((name) => bounds[name].most)

/** For a worker, whose work was accepted already, and for commands of the operator. */
export const unlimited: Limits = toLimits(() => Number.MAX_SAFE_INTEGER)

/** For rows of uploads: other work waits while one is read, and each row of the results repeats the header. */
export const rowBounds = {
  bytes: 64 * KIB,
  /** Of CSV; the widest honest files have a few hundred. */
  columns: 500,
  headerBytes: 16 * KIB,
  /** Members and list entries of JSON and NDJSON: twice as many, since lists have names too. */
  values: 1_000,
  /** Kept with the batch; their pointers are cut off at `pointerLength`. */
  problems: 20,
  pointerLength: 500,
} as const

/** For defaults of an upload, which are made for each of its rows. */
export const defaultBounds = {
  fields: 30,
  /** Of a name, and of a text with its braces. */
  textLength: 255,
  /** Of a field of the row that stands in one. */
  valueLength: 255,
} as const

/** The size of one page of a list, after which it ends early: writing it as JSON blocks other work for milliseconds. */
export const PAGE_BYTES = 256 * KIB

/** Requests that last end soon; stored things go when the tenant acts, or when work ends. */
const HELD_RETRY_SECONDS = 5
const STORED_RETRY_SECONDS = 60

/** A tenant has reached its limit, or a process what it can serve at once. */
export class BoundReachedError extends Error {
  override readonly name = 'BoundReachedError'
  readonly bound: BoundName
  readonly limit: number
  readonly retryAfterSeconds: number
  constructor(bound: BoundName, limit: number, whose: 'tenant' | 'process' = 'tenant') {
    const { what, remedy, setting }: Bound = bounds[bound]
    const raise = setting && whose === 'tenant' ? `, or have the operator raise ${setting.name}` : ''
    super(`The limit of this ${whose} is reached: ${limit} ${what}. ${remedy}${raise}.`)
    this.bound = bound
    this.limit = limit
    this.retryAfterSeconds = 'perProcess' in bounds[bound] ? HELD_RETRY_SECONDS : STORED_RETRY_SECONDS
  }
}

/** A single thing is too large. */
export class TooLargeError extends Error {
  override readonly name = 'TooLargeError'
  readonly bound: BoundName
  readonly limit: number
  constructor(bound: BoundName, limit: number) {
    super(`Too large: of ${bounds[bound].what}, each may have at most ${limit} bytes.`)
    this.bound = bound
    this.limit = limit
  }
}

/** @throws TooLargeError */
export function refuseLarge(bound: BoundName, bytes: number): void {
  const limit = bounds[bound].bytes
  if (limit !== null && bytes > limit) throw new TooLargeError(bound, limit)
}
