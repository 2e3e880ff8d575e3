const KIB = 1024
const MIB = 1024 * KIB

interface Bound {
  /** As an answer and the table in docs/operating.md call it. */
  what: string
  /** What makes room, in an answer. */
  remedy: string
  /** How many a tenant may have. */
  most: number
  /** Of one of them; null where what it is made of is counted elsewhere. */
  bytes: number | null
  /** With which an operator changes `most`, and how far. */
  setting?: { name: string; most: number }
  /** For what a process holds while it lasts: how many in all of one API process. */
  perProcess?: number
}

/**
 * Everything that a tenant can store or start. Scripts, routes, settings and the table in docs/operating.md read it
 * here; nothing that grows with what a tenant asks for may be missing.
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
/** Of what lasts: counted by each API process for itself, while it lasts. */
export type HeldBound = {
  [Name in BoundName]: (typeof bounds)[Name] extends { perProcess: number } ? Name : never
}[BoundName]
/** What an installation allows: `most`, or what its operator has set. */
export type Limits = Record<BoundName, number>

export const toLimits = (limitOf: (name: BoundName) => number): Limits =>
  Object.fromEntries((Object.keys(bounds) as BoundName[]).map((name) => [name, limitOf(name)])) as Limits

export const defaultLimits: Limits = toLimits((name) => bounds[name].most)

/** For a worker, whose work was accepted already, and for commands of the operator. */
export const unlimited: Limits = toLimits(() => Number.MAX_SAFE_INTEGER)

/** Of an upload's rows: others wait while one is read, and its header comes again with each row of the results. */
export const rowBounds = {
  bytes: 64 * KIB,
  /** Of CSV; the widest honest files have some hundred. */
  columns: 500,
  headerBytes: 16 * KIB,
  /** Members and entries of lists, of JSON and NDJSON: twice as many, since lists have names too. */
  values: 1_000,
  /** Kept with the batch, each with a pointer of at most so many characters. */
  problems: 20,
  pointerLength: 500,
} as const

/**
 * The most that one page of a list holds; a longer one ends early, and its cursor says where. Others wait while one is
 * written as JSON: a few milliseconds for this.
 */
export const PAGE_BYTES = 256 * KIB

/** Work that lasts ends soon; what is stored leaves by what its tenant does, or with work that ends. */
const HELD_RETRY_SECONDS = 5
const STORED_RETRY_SECONDS = 60

/** A tenant has all that it may have, or a process all that it can serve at once. */
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

/** One thing is larger than any may be. */
export class TooLargeError extends Error {
  override readonly name = 'TooLargeError'
  readonly bound: BoundName
  readonly limit: number
  constructor(bound: BoundName, limit: number) {
    super(`Of ${bounds[bound].what}, none may be larger than ${limit} bytes.`)
    this.bound = bound
    this.limit = limit
  }
}

/** @throws TooLargeError */
export function refuseLarge(bound: BoundName, bytes: number): void {
  const limit = bounds[bound].bytes
  if (limit !== null && bytes > limit) throw new TooLargeError(bound, limit)
}
