import { z } from 'zod'
import type { RequestKind } from './vendor.ts'
import { REQUEST_KINDS } from './vendor.ts'

/** Which requests a fault is for, when `match` names none. */
const CREATES: readonly RequestKind[] = ['create']
const LOOKUPS: readonly RequestKind[] = ['lookup']
const API_CALLS: readonly RequestKind[] = ['create', 'lookup', 'other']

const common = {
  /** How many requests it hits; 0 means until it is deleted. */
  times: z.int().min(0).default(1),
  probability: z.number().min(0).max(1).default(1),
  match: z
    .strictObject({
      method: z
        .string()
        .transform((method) => method.toUpperCase())
        .optional(),
      /** Looked for in the path and query as sent. */
      path_contains: z.string().min(1).optional(),
      kind: z.enum(REQUEST_KINDS).optional(),
    })
    .optional(),
}

const afterCommit = z.boolean().default(false)

/** One option a fault. "Commit" is the moment the vendor has done what was asked. */
export const faultSchema = z.discriminatedUnion('fault', [
  z.strictObject({ fault: z.literal('timeout_before_commit'), ...common }),
  z.strictObject({ fault: z.literal('timeout_after_commit'), ...common }),
  z.strictObject({ fault: z.literal('reset_before_commit'), ...common }),
  z.strictObject({ fault: z.literal('reset_after_commit'), ...common }),
  /** Answered after the commit with a body cut in two. */
  z.strictObject({ fault: z.literal('reset_mid_body'), ...common }),
  z.strictObject({ fault: z.literal('malformed_json'), ...common }),
  z.strictObject({
    fault: z.literal('huge_body'),
    ...common,
    bytes: z
      .int()
      .min(1)
      .max(1024 ** 3),
  }),
  z.strictObject({ fault: z.literal('slow'), ...common, delay_ms: z.int().min(1).max(3_600_000) }),
  z.strictObject({
    fault: z.literal('drip'),
    ...common,
    bytes: z.int().min(1).default(1),
    interval_ms: z.int().min(1).max(60_000),
  }),
  z.strictObject({ fault: z.literal('html'), ...common, after_commit: afterCommit }),
  z.strictObject({
    fault: z.literal('server_error'),
    ...common,
    status: z.int().min(500).max(599).default(500),
    after_commit: afterCommit,
    /** Left out: the vendor's own body. */
    body: z.json().optional(),
  }),
  /** Any refusal at all: a token endpoint's, a firewall's page, a lock. */
  z.strictObject({
    fault: z.literal('answer'),
    ...common,
    status: z.int().min(200).max(599),
    after_commit: afterCommit,
    content_type: z
      .string()
      .regex(/^[\x20-\x7e]+$/, 'must be printable ASCII')
      .optional(),
    /** JSON, or a string sent as it is; left out: an empty body. */
    body: z.json().optional(),
  }),
  z.strictObject({
    fault: z.literal('rate_limit_storm'),
    ...common,
    /** A string is sent verbatim as Retry-After, null sends none, left out: what the vendor really does. */
    retry_after: z
      .string()
      .regex(/^[\t\x20-\x7e]*$/, 'must be printable ASCII')
      .nullable()
      .optional(),
  }),
  z.strictObject({ fault: z.literal('quota_exceeded'), ...common }),
  z.strictObject({ fault: z.literal('expired_token'), ...common }),
  /** Look-ups get no answer. */
  z.strictObject({ fault: z.literal('dropped_lookup'), ...common }),
])
export type Fault = z.output<typeof faultSchema>

function defaultKinds(fault: Fault): readonly RequestKind[] {
  switch (fault.fault) {
    case 'rate_limit_storm':
    case 'quota_exceeded':
    case 'expired_token':
      return API_CALLS
    case 'dropped_lookup':
      return LOOKUPS
    default:
      return CREATES
  }
}

interface ArmedFault {
  readonly id: number
  readonly fault: Fault
  hits: number
}

/** A small seeded generator (mulberry32), so that a run with probabilities can be repeated. */
function createDice(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export function createFaultBoard(seed: number) {
  let armed: ArmedFault[] = []
  let nextId = 1
  let roll = createDice(seed)

  function fits({ fault }: ArmedFault, method: string, path: string, kind: RequestKind): boolean {
    const { match } = fault
    if (match === undefined) return defaultKinds(fault).includes(kind)
    return (
      (match.method === undefined || match.method === method) &&
      (match.path_contains === undefined || path.includes(match.path_contains)) &&
      (match.kind === undefined || match.kind === kind)
    )
  }

  const describe = ({ id, fault, hits }: ArmedFault) => ({ id, ...fault, hits })

  return {
    arm(fault: Fault) {
      const entry = { id: nextId++, fault, hits: 0 }
      armed.push(entry)
      return describe(entry)
    },
    list: () => armed.map(describe),
    disarm(id: number): boolean {
      const before = armed.length
      armed = armed.filter((entry) => entry.id !== id)
      return armed.length < before
    },
    clear(): void {
      armed = []
    },
    reseed(newSeed: number): void {
      roll = createDice(newSeed)
    },
    /** The first armed fault that fits and whose dice fall; it is used up by this. */
    take(method: string, path: string, kind: RequestKind): Fault | undefined {
      const entry = armed.find(
        (candidate) =>
          fits(candidate, method, path, kind) &&
          (candidate.fault.probability === 1 || roll() < candidate.fault.probability),
      )
      if (entry === undefined) return undefined
      entry.hits += 1
      if (entry.hits === entry.fault.times) armed = armed.filter((other) => other !== entry)
      return entry.fault
    },
  }
}
export type FaultBoard = ReturnType<typeof createFaultBoard>
