import { hostAndPort, type AllowedHosts } from '@muster/contracts/allowed-hosts'
import { AddressRefusedError, guardLookup, refusePrivateLiteral, type Lookup } from './address-guard.ts'
import { allowedPorts, isAllowedPort, type Ports } from './ports.ts'

export interface DestinationOptions {
  allowedHosts: AllowedHosts
  /** Further ports below 1024. */
  ports: Ports
  /** Resolves names. */
  lookup: Lookup
  /** A resolver may take half a minute to give up, and a caller waits for this. */
  timeoutMs?: number
}

/**
 * Why nothing would be sent to an address, in one sentence, or undefined: an early answer when a URL is registered. A
 * name may resolve elsewhere a minute later, so the http client checks again at every connection. The reason never
 * names the addresses behind a name, so that a private network stays private.
 */
export async function checkDestination(
  text: string,
  { allowedHosts, ports, lookup, timeoutMs = 5_000 }: DestinationOptions,
): Promise<string | undefined> {
  if (!URL.canParse(text)) return 'This is not a URL.'
  const url = new URL(text)
  const isWeb = url.protocol === 'https:' || url.protocol === 'http:'
  if (isWeb && allowedHosts.has(hostAndPort(url))) return undefined
  if (url.protocol !== 'https:') return 'Only https:// is sent to.'
  if (!isAllowedPort(url, ports)) return `Port ${url.port} is not sent to; allowed are ${allowedPorts(ports)}.`
  try {
    refusePrivateLiteral(url.hostname)
    await resolveName(url.hostname.replace(/^\[|\]$/g, ''), lookup, timeoutMs)
    return undefined
  } catch (error) {
    if (error instanceof AddressRefusedError) return `The host ${url.hostname} leads to an address that is not public.`
    return `The host ${url.hostname} cannot be resolved to an address.`
  }
}

function resolveName(hostname: string, lookup: Lookup, timeoutMs: number): Promise<void> {
  const guardedLookup = guardLookup(lookup)
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${hostname} was not resolved in time`)), timeoutMs)
    guardedLookup(hostname, { all: true }, (error, addresses) => {
      clearTimeout(timer)
      if (error) reject(error)
      else if (addresses.length === 0) reject(new Error(`no address for ${hostname}`))
      else resolve()
    })
  })
}
