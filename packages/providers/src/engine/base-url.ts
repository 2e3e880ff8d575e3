import { hostAndPort, type AllowedHosts } from '@muster/contracts/allowed-hosts'
import type { JsonObject } from '@muster/contracts/json'
import type { InputProblem } from '@muster/contracts/problem'
import type { Provider } from '../provider.ts'

/**
 * The origin of what a customer pasted: with a path after it, a trailing slash, or without a scheme.
 * Undefined when it is not a web address.
 */
export function toOrigin(text: string): string | undefined {
  const trimmed = text.trim()
  // Without "://" a host before a port would be taken for a scheme.
  const full = trimmed.includes('://') ? trimmed : `https://${trimmed}`
  const url = URL.canParse(full) ? new URL(full) : undefined
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:') || url.username || url.password) return undefined
  return url.origin
}

/**
 * Whether credentials may be sent there: the vendor's own hosts, a customer's own where the config says so, or the
 * operator's list.
 */
export function isAllowedOrigin(
  provider: Provider,
  origin: string,
  config: JsonObject,
  allowedHosts: AllowedHosts,
): boolean {
  const url = new URL(origin)
  if (allowedHosts.has(hostAndPort(url))) return true
  if (url.protocol !== 'https:') return false
  const host = url.hostname.toLowerCase()
  return (
    provider.hosts.patterns.some((pattern) => pattern.test(host)) ||
    (provider.hosts.allowsCustomDomain && config.custom_domain === true)
  )
}

/** The problem with one of the config's addresses, if there is one. */
export function checkOrigin(
  provider: Provider,
  name: 'base_url' | 'token_url',
  config: JsonObject,
  allowedHosts: AllowedHosts,
): InputProblem | undefined {
  const value = config[name]
  const pointer = `/config/${name}`
  if (value === undefined) {
    if (name === 'token_url' || provider.defaultBaseUrl !== null) return undefined
    return {
      pointer,
      code: 'required',
      detail: `${provider.name} has no single address for all customers: give the one of this account.`,
    }
  }
  const origin = typeof value === 'string' ? toOrigin(value) : undefined
  if (origin === undefined)
    return { pointer, code: 'invalid_url', detail: 'must be a web address such as https://example.com' }
  if (isAllowedOrigin(provider, origin, config, allowedHosts)) return undefined
  const way = provider.hosts.allowsCustomDomain ? ' For a domain of your own, set custom_domain to true.' : ''
  return {
    pointer,
    code: 'host_not_allowed',
    detail: `${new URL(origin).host} is not a host of ${provider.name}, or not over https.${way}`,
  }
}

/** Where this account is called. */
export function baseUrlOf(provider: Provider, config: JsonObject): string {
  const own = typeof config.base_url === 'string' ? toOrigin(config.base_url) : undefined
  const url = own ?? provider.defaultBaseUrl
  if (!url) throw new Error(`${provider.id} account without base_url`)
  return url
}
