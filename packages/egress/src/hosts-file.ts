import type { LookupAddress } from 'node:dns'
import { readFileSync, statSync } from 'node:fs'
import { isIP } from 'node:net'

/** How long a change of the file may go unnoticed. */
const LOOK_EVERY_MS = 5_000

/** What /etc/hosts says of a name, as the system's resolver would see it. */
export function createHostsFile(path: string): (name: string) => LookupAddress[] | undefined {
  let names = new Map<string, LookupAddress[]>()
  let lookedAt = -Infinity
  let modifiedAt: number | undefined
  return (name) => {
    if (performance.now() - lookedAt > LOOK_EVERY_MS) {
      lookedAt = performance.now()
      // Read without libuv's threads: the file is small, and they may be busy.
      const present = statSync(path, { throwIfNoEntry: false })?.mtimeMs
      if (present !== modifiedAt) names = present === undefined ? new Map() : parseHosts(readFileSync(path, 'utf8'))
      modifiedAt = present
    }
    return names.get(name)
  }
}

export function parseHosts(text: string): Map<string, LookupAddress[]> {
  const names = new Map<string, LookupAddress[]>()
  for (const line of text.split('\n')) {
    const [address = '', ...aliases] = (line.split('#')[0] ?? '').trim().split(/\s+/)
    const family = isIP(address)
    if (family === 0) continue
    for (const alias of aliases) {
      const name = alias.toLowerCase()
      names.set(name, [...(names.get(name) ?? []), { address, family }])
    }
  }
  return names
}
