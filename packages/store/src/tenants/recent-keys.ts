/** How long a key that another process revokes still works here. */
const KEPT_MS = 1_000
const MOST_KEPT = 10_000

interface Recent<Key> {
  readAt: number
  key: Promise<Key | undefined>
}

/** API keys that were read within the last second, by their hashes: a busy caller's is not read for each request. */
export function createRecentKeys<Key>(
  read: (hash: string) => Promise<Key | undefined>,
  { keptMs = KEPT_MS, most = MOST_KEPT, now = () => performance.now() } = {},
) {
  // In the order in which they were read.
  const recent = new Map<string, Recent<Key>>()

  function ask(hash: string): Promise<Key | undefined> {
    const key = read(hash)
    const entry = { readAt: now(), key }
    recent.delete(hash)
    const [oldest] = recent.size >= most ? recent.keys() : []
    if (oldest !== undefined) recent.delete(oldest)
    recent.set(hash, entry)
    const forget = (): void => {
      if (recent.get(hash) === entry) recent.delete(hash)
    }
    // What is unknown or could not be read is asked again.
    key.then((found) => found ?? forget(), forget)
    return key
  }

  return {
    find(hash: string): Promise<Key | undefined> {
      const known = recent.get(hash)
      return known !== undefined && now() - known.readAt < keptMs ? known.key : ask(hash)
    },
    forget: (hash: string): void => void recent.delete(hash),
    get size(): number {
      return recent.size
    },
  }
}
