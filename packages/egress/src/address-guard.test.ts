import type dns from 'node:dns'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  AddressRefusedError,
  guardLookup,
  isPublicAddress,
  refusePrivateLiteral,
  type Lookup,
} from './address-guard.ts'
import { createResolver } from './resolver.ts'

/** A resolver that knows these addresses and no others. */
function resolvingTo(
  addresses: { address: string; family: number }[],
  failure?: string,
): Lookup & { asked: unknown[] } {
  const asked: unknown[] = []
  const lookup: Lookup = (_name, options, callback) => {
    asked.push(options)
    setImmediate(() =>
      failure ? callback(Object.assign(new Error(failure), { code: failure }), []) : callback(null, addresses),
    )
  }
  return Object.assign(lookup, { asked })
}

const look = (
  lookup: Lookup,
  options: dns.LookupOptions = { all: true },
): Promise<{ address: unknown; family?: number | undefined }> =>
  new Promise((resolve, reject) => {
    guardLookup(lookup)('name.example', options, (error, address, family) =>
      error ? reject(error) : resolve({ address, family }),
    )
  })

const closed = [
  '168.63.129.16',
  '::ffff:168.63.129.16',
  '64:ff9b::a83f:8110',
  '100.100.100.200',
  '169.254.170.2',
  '192.0.0.192',
  'fd20:ce::254',
  '127.0.0.1',
  '127.255.255.254',
  '0.0.0.0',
  '0.1.2.3',
  '10.0.0.1',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '169.254.169.254',
  '100.64.0.1',
  '100.127.255.255',
  '192.0.0.1',
  '192.0.2.1',
  '198.18.0.1',
  '198.51.100.1',
  '203.0.113.1',
  '224.0.0.1',
  '240.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '::ffff:10.0.0.1',
  '::127.0.0.1',
  '64:ff9b::7f00:1',
  '64:ff9b:1::7f00:1',
  '2002:7f00:1::',
  '2001:0:7f00:1::',
  '2001:db8::1',
  'fc00::1',
  'fd12:3456::1',
  'fd00:ec2::254',
  '192.0.0.170',
  '198.19.255.255',
  'fdff:ffff::1',
  'fe80::a9fe:a9fe',
  '::ffff:169.254.169.254',
  '2001:0:4136:e378:8000:63bf:3fff:fdd2',
  'fe80::1',
  'fe80::1%eth0',
  'fec0::1',
  'ff02::1',
  '100::1',
  '5f00::1',
]

describe('public addresses', () => {
  test.each(closed)('%s is none', (address) => expect(isPublicAddress(address)).toBe(false))

  test.each([
    '8.8.8.8',
    '93.184.216.34',
    '172.32.0.1',
    '100.128.0.1',
    '2606:2800:220:1:248:1893:25c8:1946',
    '2a00:1450:4001::8',
    '::ffff:8.8.8.8',
  ])('%s is one', (address) => expect(isPublicAddress(address)).toBe(true))

  test('text that is not an address is none, and nothing throws', () => {
    fc.assert(fc.property(fc.string(), (text) => void isPublicAddress(text)))
    expect(isPublicAddress('localhost')).toBe(false)
    expect(isPublicAddress('')).toBe(false)
  })

  test('no spelling of loopback gets through as a host of a URL', () => {
    for (const host of [
      '127.0.0.1',
      '127.0.0.1.',
      '2130706433',
      '0x7f.1',
      '0x7f000001',
      '0177.0.0.1',
      '017700000001',
      '127.1',
      '127.0.1',
      '１２７.０.０.１',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '[0:0:0:0:0:0:0:1]',
      '0',
      '0.0.0.0',
    ]) {
      expect(() => refusePrivateLiteral(new URL(`https://${host}/`).hostname), host).toThrow(AddressRefusedError)
    }
    expect(() => refusePrivateLiteral('example.com')).not.toThrow()
    expect(() => refusePrivateLiteral('8.8.8.8')).not.toThrow()
  })
})

describe('the guarded look-up', () => {
  test.each(closed.filter((address) => !address.includes('%')))('refuses a name that leads to %s', async (address) => {
    const lookup = resolvingTo([{ address, family: address.includes(':') ? 6 : 4 }])
    await expect(look(lookup)).rejects.toMatchObject({ code: 'ADDRESS_REFUSED' })
  })

  test('one private address among public ones is enough to refuse', async () => {
    const lookup = resolvingTo([
      { address: '8.8.8.8', family: 4 },
      { address: '10.0.0.1', family: 4 },
    ])
    await expect(look(lookup)).rejects.toMatchObject({ code: 'ADDRESS_REFUSED' })
    await expect(look(lookup, {})).rejects.toMatchObject({ code: 'ADDRESS_REFUSED' })
  })

  test('asks for every address even where one is wanted, and hands on what it has checked', async () => {
    const lookup = resolvingTo([
      { address: '8.8.8.8', family: 4 },
      { address: '2a00:1450:4001::8', family: 6 },
    ])
    expect(await look(lookup, { family: 4 })).toEqual({ address: '8.8.8.8', family: 4 })
    expect(lookup.asked).toEqual([expect.objectContaining({ all: true })])
    expect((await look(lookup, { all: true })).address).toHaveLength(2)
  })

  test('a name without an address is not found', async () => {
    await expect(look(resolvingTo([]), {})).rejects.toMatchObject({ code: 'ENOTFOUND' })
    await expect(look(resolvingTo([], 'EAI_AGAIN'))).rejects.toMatchObject({ code: 'EAI_AGAIN' })
  })

  test('localhost of this very machine is refused', async () => {
    await expect(
      new Promise((resolve, reject) =>
        guardLookup(createResolver().lookupFor('tenant'))('localhost', { all: true }, (error, addresses) =>
          error ? reject(error) : resolve(addresses),
        ),
      ),
    ).rejects.toBeInstanceOf(AddressRefusedError)
  })
})
