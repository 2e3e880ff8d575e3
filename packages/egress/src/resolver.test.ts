import { lookup } from 'node:dns/promises'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { startNameServer, type NameAnswer } from '../test/name-server.ts'
import type { Lookup } from './address-guard.ts'
import { parseHosts } from './hosts-file.ts'
import { createHttpClients } from './http-client.ts'
import { createResolver, parseNameServers, type Resolver } from './resolver.ts'

const closing: (() => unknown)[] = []
afterEach(async () => void (await Promise.all(closing.splice(0).map((close) => close()))))

type Zone = Record<string, NameAnswer | ((type: 'A' | 'AAAA') => NameAnswer)>
async function resolverOf(zone: Zone, hostsFile = '/nowhere') {
  const server = await startNameServer((name, type) => {
    const answer = zone[name] ?? (name.endsWith('.silent.example') ? 'silent' : 'not_found')
    return typeof answer === 'function' ? answer(type) : answer
  })
  closing.push(server.close)
  return { ...createResolver({ nameServers: [server.address], hostsFile }), questions: server.questions }
}

/** Addresses in their order, or the code of the failure. */
const look = (lookup: Lookup, name: string): Promise<string> =>
  new Promise((resolve) =>
    lookup(name, { all: true }, (error, addresses) =>
      resolve(error ? String(error.code) : addresses.map(({ address }) => address).join(' ')),
    ),
  )
const lookUp = (resolver: Resolver, name: string, tenantId = 'tenant'): Promise<string> =>
  look(resolver.lookupFor(tenantId), name)

describe('a name', () => {
  test('has the addresses of both families, those of IPv4 first', async () => {
    const resolver = await resolverOf({
      'both.example': { addresses: ['2606:2800:220:1::8', '93.184.216.34', '93.184.216.35'] },
      'six.example': { addresses: ['2606:2800:220:1::8'] },
    })
    expect(await lookUp(resolver, 'both.example')).toBe('93.184.216.34 93.184.216.35 2606:2800:220:1::8')
    expect(await lookUp(resolver, 'SIX.example.')).toBe('2606:2800:220:1::8')
  })

  test('that no server knows is not found; of one that cannot say, it may be asked again', async () => {
    const resolver = await resolverOf({ 'broken.example': 'server_failure', 'empty.example': { addresses: [] } })
    expect(await lookUp(resolver, 'nowhere.example')).toBe('ENOTFOUND')
    expect(await lookUp(resolver, 'empty.example')).toBe('ENOTFOUND')
    expect(await lookUp(resolver, 'broken.example')).toBe('EAI_AGAIN')
    expect(await lookUp(resolver, `${'a'.repeat(64)}.example`)).toBe('ENOTFOUND')
  })

  test('is known by one family where the server never answers for the other', async () => {
    const resolver = await resolverOf({
      'half.example': (type) => (type === 'A' ? { addresses: ['8.8.8.8'] } : 'silent'),
    })
    const ends = [lookUp(resolver, 'a.silent.example'), lookUp(resolver, 'half.example')]
    // Before the server is given up for a name of which it says nothing at all.
    expect(await Promise.race(ends)).toBe('8.8.8.8')
    await Promise.all(ends)
  })

  test('is asked for once by many, and not again while its time to live lasts', async () => {
    const resolver = await resolverOf({ 'cached.example': { addresses: ['8.8.8.8'], ttl: 60 } })
    const asked = Array.from({ length: 20 }, (_, tenant) => lookUp(resolver, 'cached.example', `tenant-${tenant}`))
    expect(new Set(await Promise.all(asked))).toEqual(new Set(['8.8.8.8']))
    await lookUp(resolver, 'cached.example')
    expect(resolver.questions).toHaveLength(2)
  })

  test('is asked for again once its time to live is over', async () => {
    let address = '8.8.8.8'
    const resolver = await resolverOf({ 'moving.example': () => ({ addresses: [address], ttl: 0 }) })
    expect(await lookUp(resolver, 'moving.example')).toMatch(/^8\.8\.8\.8/)
    address = '8.8.4.4'
    expect(await lookUp(resolver, 'moving.example')).toMatch(/^8\.8\.4\.4/)
  })

  test('that is not found is not asked for again at once', async () => {
    const resolver = await resolverOf({})
    await lookUp(resolver, 'nowhere.example')
    await lookUp(resolver, 'nowhere.example', 'other')
    expect(resolver.questions).toHaveLength(2)
  })
})

describe('a name server that falls silent for one name', () => {
  test('is given up after two tries, and delays no name of another tenant', async () => {
    const resolver = await resolverOf({ 'other.example': { addresses: ['8.8.8.8'] } })
    const silent = Array.from({ length: 40 }, (_, name) => lookUp(resolver, `${name}.silent.example`, 'silent'))
    const same = Array.from({ length: 40 }, () => lookUp(resolver, 'same.silent.example', 'same'))
    let isGivenUp = false
    void Promise.race([...silent, ...same]).then(() => (isGivenUp = true))
    expect(await lookUp(resolver, 'other.example', 'other')).toBe('8.8.8.8')
    // Of the same tenant too, as long as its places are not taken by as many silent names.
    expect(await lookUp(resolver, 'other.example', 'same')).toBe('8.8.8.8')
    expect(isGivenUp).toBe(false)
    expect(new Set(await Promise.all([...silent, ...same]))).toEqual(new Set(['EAI_AGAIN']))
    expect(resolver.questions.filter((name) => name === 'same.silent.example')).toHaveLength(2 * 2)
  })

  test("takes none of the process's threads", async () => {
    const resolver = await resolverOf({})
    const silent = Array.from({ length: 8 }, (_, name) => lookUp(resolver, `${name}.silent.example`))
    let isGivenUp = false
    void Promise.race(silent).then(() => (isGivenUp = true))
    // Reads a file by one of the four threads that dns.lookup would hold.
    await readFile(new URL(import.meta.url))
    expect(isGivenUp).toBe(false)
    await Promise.all(silent)
  })
})

describe('what no name server is asked for', () => {
  test('is an address, localhost, and what the hosts file names', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'muster-hosts-'))
    closing.push(() => rmSync(folder, { recursive: true }))
    const hostsFile = join(folder, 'hosts')
    writeFileSync(hostsFile, '127.0.0.1 localhost\n10.0.0.9\tReceiver receiver.local # ours\n::1 receiver.local\n')
    const resolver = await resolverOf({}, hostsFile)
    expect(await lookUp(resolver, '8.8.8.8')).toBe('8.8.8.8')
    expect(await lookUp(resolver, '::1')).toBe('::1')
    expect(await lookUp(resolver, 'receiver')).toBe('10.0.0.9')
    expect(await lookUp(resolver, 'Receiver.LOCAL')).toBe('10.0.0.9 ::1')
    expect(await lookUp(resolver, 'localhost')).toBe('127.0.0.1')
    expect(await lookUp(resolver, 'app.localhost')).toBe('127.0.0.1 ::1')
    expect(resolver.questions).toEqual([])
  })

  test('reads a hosts file as the system does', () => {
    expect([...parseHosts('# none\n\nnot-an-address name\n1.2.3.4 a b#c\n1.2.3.5 a').entries()]).toEqual([
      [
        'a',
        [
          { address: '1.2.3.4', family: 4 },
          { address: '1.2.3.5', family: 4 },
        ],
      ],
      ['b', [{ address: '1.2.3.4', family: 4 }]],
    ])
  })
})

test('an allowed name is asked of the name servers, and of the system where they do not resolve it', async () => {
  // The one name that the system knows everywhere; a name server that is asked for it may refuse.
  const ownName = hostname().toLowerCase()
  const known = await lookup(ownName).catch(() => undefined)
  const resolver = await resolverOf({ 'receiver.example': { addresses: ['10.0.0.9'] }, [ownName]: 'server_failure' })
  const lookupOfAllowed = resolver.lookupOfAllowed('tenant')
  expect(await look(lookupOfAllowed, 'receiver.example')).toBe('10.0.0.9')
  if (known) expect(await look(lookupOfAllowed, ownName)).toContain(known.address)
  expect(await lookUp(resolver, ownName)).toBe('EAI_AGAIN')
  expect(await look(lookupOfAllowed, 'no-such-name.invalid')).toMatch(/^(ENOTFOUND|EAI_AGAIN)$/)
  expect(resolver.questions).toContain('no-such-name.invalid')
})

describe('at a connection', () => {
  const callTo = async (resolver: Resolver, url: string): Promise<string> => {
    const { httpFor, close } = createHttpClients({
      allowedHosts: new Set(),
      maxSockets: 10,
      ports: new Set(),
      ...resolver,
    })
    closing.push(close)
    return httpFor({ tenantId: 'tenant', laneId: 'lane' })({
      method: 'POST',
      url,
      headers: {},
      body: '',
      timeoutMs: 10_000,
    }).then(
      ({ status }) => String(status),
      ({ code, isSent }: { code: string; isSent: boolean }) => `${code} ${isSent ? 'sent' : 'not sent'}`,
    )
  }

  test('a look-up that fails is not sent', async () => {
    const resolver = await resolverOf({ 'broken.example': 'server_failure' })
    expect(await callTo(resolver, 'https://nowhere.example/')).toBe('ENOTFOUND not sent')
    expect(await callTo(resolver, 'https://broken.example/')).toBe('EAI_AGAIN not sent')
    expect(await callTo(resolver, 'https://a.silent.example/')).toBe('EAI_AGAIN not sent')
  })

  test('the address that a name server gives is checked, whatever it gave before', async () => {
    const answers = ['8.8.8.8', '10.0.0.9']
    const resolver = await resolverOf({
      'rebinding.example': (type) => ({ addresses: type === 'A' ? [answers.shift() ?? '10.0.0.9'] : [], ttl: 0 }),
      'six.example': { addresses: ['8.8.8.8', 'fd00:ec2::254'] },
    })
    expect(await lookUp(resolver, 'rebinding.example')).toBe('8.8.8.8')
    expect(await callTo(resolver, 'https://rebinding.example/')).toBe('ADDRESS_REFUSED not sent')
    expect(await callTo(resolver, 'https://six.example/')).toBe('ADDRESS_REFUSED not sent')
  })
})

test('name servers are addresses, with or without a port', () => {
  expect(parseNameServers(' 10.0.0.2, [fd00::2]:5353,::1 ')).toEqual(['10.0.0.2', '[fd00::2]:5353', '::1'])
  expect(parseNameServers('')).toEqual([])
  for (const list of [
    'dns.example',
    '10.0.0.2:x',
    '10.0.0',
    '10.0.0.2 10.0.0.3',
    '10.0.0.2:99999',
    '[fd00::2]:65536',
    '10.0.0.2:00',
    '10.0.0.2:0',
  ])
    expect(() => parseNameServers(list), list).toThrow(RangeError)
})
