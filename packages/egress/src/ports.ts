export type Ports = ReadonlySet<number>

/**
 * Web servers listen on 80, 443 or above 1023. Below are mail, shells and directories, some of which can be made to act
 * by what a tenant puts into a request.
 */
export const isAllowedPort = (url: URL, more: Ports): boolean => {
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
  return port === 443 || port === 80 || port > 1023 || more.has(port)
}

/** In words, for a refusal. */
export const allowedPorts = (more: Ports): string => [443, 80, ...more, 'those above 1023'].join(', ')

/** Reads a comma-separated list; throws a `RangeError` that names the first bad entry. */
export function parsePorts(list: string): Ports {
  const entries = list
    .split(',')
    .map((entry) => entry.trim())
    .filter(Boolean)
  for (const entry of entries) {
    if (!/^\d{1,5}$/.test(entry) || Number(entry) < 1 || Number(entry) > 65_535)
      throw new RangeError(`"${entry}" is not a port`)
  }
  return new Set(entries.map(Number))
}
