export interface RequestEntry {
  number: number
  at: string
  method: string
  /** As sent, with the query. */
  path: string
  /** Null while the request is in hand, and for ever when a fault swallowed the answer. */
  status: number | null
  fault?: string
}

interface CreatedEntry {
  at: string
  id: string
  /** The natural key: two entries with one key are a user created twice. */
  key: string
  request_number: number
}

/** Old request lines are dropped beyond this, so that a long run stays in memory; created users never are. */
const KEPT_REQUESTS = 200_000

/** What reached the vendor and what came of it, by the machine's clock: the oracle of the reliability tests. */
export function createLedger() {
  let requests: RequestEntry[] = []
  let created: CreatedEntry[] = []
  let counted = 0

  return {
    recordRequest(method: string, path: string): RequestEntry {
      counted += 1
      const entry: RequestEntry = { number: counted, at: new Date().toISOString(), method, path, status: null }
      requests.push(entry)
      if (requests.length > 2 * KEPT_REQUESTS) requests = requests.slice(-KEPT_REQUESTS)
      return entry
    },
    recordCreated(requestNumber: number, user: { readonly id: string; readonly key: string }): void {
      created.push({ at: new Date().toISOString(), id: user.id, key: user.key, request_number: requestNumber })
    },
    read: () => ({ requests, created }),
    clear(): void {
      requests = []
      created = []
      counted = 0
    },
  }
}
export type Ledger = ReturnType<typeof createLedger>
