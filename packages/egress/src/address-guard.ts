import type dns from 'node:dns'
import type { LookupAddress } from 'node:dns'
import net from 'node:net'
import ipaddr from 'ipaddr.js'

/**
 * All that IANA has given out of IPv6 for global unicast. Outside lie ranges that no list names: ::127.0.0.1, fec0::1,
 * 64:ff9b:1::/48.
 */
const GLOBAL_IPV6 = ipaddr.IPv6.parseCIDR('2000::/3')

/**
 * Metadata of a cloud at an address that is public by its number: Azure's (168.63.129.16, the host's own agent). Those
 * of the others are link-local, shared (100.100.100.200) or unique local (fd00:ec2::254), and refused as such.
 */
const METADATA = new Set(['168.63.129.16'])

/**
 * Only globally routable unicast passes: no loopback, private, link-local (metadata), CGNAT, ULA, NAT64, 6to4, Teredo,
 * mapped or documentation ranges.
 */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false
  const parsed = ipaddr.process(address)
  if (METADATA.has(parsed.toString())) return false
  return parsed.range() === 'unicast' && (parsed instanceof ipaddr.IPv4 || parsed.match(GLOBAL_IPV6))
}

/** A connection was refused by us, before a byte was sent. */
export class AddressRefusedError extends Error {
  override readonly name = 'AddressRefusedError'
  readonly code = 'ADDRESS_REFUSED'
}

/**
 * Throws when the host is written as an IP address that is not public. Needed beside the guarded look-up, since no
 * look-up happens for
 * a literal: measured, http://127.0.0.1 and http://2130706433 went straight past a guard that sat in `lookup` alone.
 */
export function refusePrivateLiteral(hostname: string): void {
  const bare = hostname.replace(/^\[|\]$/g, '')
  if (net.isIP(bare) !== 0 && !isPublicAddress(bare)) throw new AddressRefusedError(`${bare} is not a public address`)
}

type LookupCallback = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void

/** As `dns.lookup` when all addresses are asked for. */
export type Lookup = (
  hostname: string,
  options: dns.LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

/**
 * A `dns.lookup` that fails when any of the addresses is refused: the address checked is the address connected to, so
 * rebinding has no window.
 */
export function guardLookup(
  lookup: Lookup,
  isAccepted = isPublicAddress,
): (hostname: string, options: dns.LookupOptions, callback: LookupCallback) => void {
  return (hostname, options, callback) =>
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, [])
      const refused = addresses.find(({ address }) => !isAccepted(address))
      if (refused)
        return callback(
          new AddressRefusedError(`${hostname} resolves to ${refused.address}, which is not a public address`),
          [],
        )
      if (options.all) return callback(null, addresses)
      const [first] = addresses
      if (!first) return callback(Object.assign(new Error(`no address for ${hostname}`), { code: 'ENOTFOUND' }), [])
      callback(null, first.address, first.family)
    })
}
