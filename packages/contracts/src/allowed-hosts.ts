/** `host:port` pairs that may be private, and reached over http: for simulators and tests; empty in production. */
export type AllowedHosts = ReadonlySet<string>

/** `host:port` in lower case, as in MUSTER_ALLOWED_HOSTS; the port is always written out. */
export function hostAndPort(url: URL): string {
  return `${url.hostname.toLowerCase()}:${url.port || (url.protocol === 'https:' ? '443' : '80')}`
}

/** Reads a comma-separated list of `host:port`; throws a `RangeError` that names the first bad entry. */
export function parseAllowedHosts(list: string): AllowedHosts {
  const entries = list
    .split(',')
    .map((entry) => entry.trim().toLowerCase())
    .filter(Boolean)
  for (const entry of entries) {
    if (!/^(\[[0-9a-f:.]+\]|[a-z0-9.-]+):\d{1,5}$/.test(entry))
      throw new RangeError(`"${entry}" is not of the form host:port`)
  }
  return new Set(entries)
}
