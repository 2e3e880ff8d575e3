import type { HostRules, RemoteResponse } from '../provider.ts'

/**
 * The regions of the vendor's GettingStarted page (world, Canada, China, India, US government) with their shards
 * (n263.meraki.com).
 */
export const merakiHosts: HostRules = {
  patterns: [/^([a-z0-9-]+\.)*meraki\.(com|ca|cn|in)$/, /^([a-z0-9-]+\.)*gov-meraki\.com$/],
  allowsCustomDomain: false,
}

const redirects = [301, 302, 303, 307, 308]

/** Where a simulator runs. `connection.ts` goes there only when the operator's own list names the address. */
const loopbacks = ['127.0.0.1', 'localhost', '[::1]']

/**
 * The shard that holds the organization. The original method, body and Authorization go there, whatever the status: the
 * vendor's docs ask clients to keep them, and what follows a redirect by itself turns a POST into a GET (301, 302) or
 * drops Authorization.
 */
export function toRedirect({ status, headers }: RemoteResponse): string | undefined {
  const location = headers.location ?? ''
  // A relative address is the host that has just answered: no other to ask.
  if (!redirects.includes(status) || !URL.canParse(location)) return undefined
  const url = new URL(location)
  if (loopbacks.includes(url.hostname)) return url.origin
  const isMeraki =
    url.protocol === 'https:' && url.port === '' && merakiHosts.patterns.some((pattern) => pattern.test(url.hostname))
  return isMeraki ? url.origin : undefined
}
