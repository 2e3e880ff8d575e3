import type { LookupAddress } from 'node:dns'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import type { Lookup } from './address-guard.ts'
import { checkDestination } from './destination.ts'
import { createHttpClients } from './http-client.ts'
import { parsePorts } from './ports.ts'
import { createResolver } from './resolver.ts'

const resolver = createResolver()
const closing: (() => unknown)[] = []
afterEach(async () => void (await Promise.all(closing.splice(0).map((close) => close()))))

/** A resolver that gives one of these answers each time it is asked, and the last from then on. */
function answersOf(...answers: string[][]): Lookup & { asked: string[] } {
  const asked: string[] = []
  const lookup: Lookup = (hostname, _options, callback) => {
    const addresses = answers[Math.min(asked.length, answers.length - 1)] ?? []
    asked.push(hostname)
    setImmediate(() =>
      callback(
        null,
        addresses.map((address): LookupAddress => ({ address, family: address.includes(':') ? 6 : 4 })),
      ),
    )
  }
  return Object.assign(lookup, { asked })
}

const failing =
  (code: string): Lookup =>
  (_hostname, _options, callback) =>
    void setImmediate(() => callback(Object.assign(new Error(code), { code }), []))
const check = (
  url: string,
  lookup = resolver.lookupFor('tenant'),
  allowedHosts = new Set<string>(),
): Promise<string | undefined> => checkDestination(url, { allowedHosts, ports: new Set(), lookup })

/** How the http client fails there: its code, and whether anything can have been sent. */
async function send(url: string, lookup?: Lookup, allowedHosts = new Set<string>()): Promise<string> {
  const { httpFor, close } = createHttpClients({
    allowedHosts,
    maxSockets: 100,
    ports: new Set(),
    ...resolver,
    ...(lookup ? { lookupFor: () => lookup } : {}),
  })
  closing.push(close)
  return httpFor({ tenantId: 'tenant', laneId: 'lane' })({
    method: 'POST',
    url,
    headers: {},
    body: '{}',
    timeoutMs: 2_000,
  }).then(
    ({ status }) => String(status),
    ({ code, isSent }: { code: string; isSent: boolean }) => `${code} ${isSent ? 'sent' : 'not sent'}`,
  )
}

/** As the host of a URL. */
const literals = [
  '168.63.129.16',
  '100.100.100.200',
  '169.254.170.2',
  '[fd20:ce::254]',
  '[::ffff:a83f:8110]',
  '127.0.0.1',
  '127.255.255.254',
  '0.0.0.0',
  '10.0.0.1',
  '10.255.255.255',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.0.1',
  '192.168.255.255',
  '169.254.169.254',
  '100.64.0.1',
  '100.127.255.255',
  '192.0.0.1',
  '192.0.0.192',
  '198.18.0.1',
  '198.19.255.255',
  '224.0.0.1',
  '255.255.255.255',
  '[::1]',
  '[::]',
  '[fe80::1]',
  '[febf::1]',
  '[fc00::1]',
  '[fdff::1]',
  '[fd00:ec2::254]',
  '[64:ff9b::7f00:1]',
  '[64:ff9b::a9fe:a9fe]',
  '[64:ff9b::808:808]',
  '[2002:7f00:1::]',
  '[2002:808:808::]',
  '[2001::1]',
  '[2001:0:4136:e378:8000:63bf:3fff:fdd2]',
  '[::ffff:127.0.0.1]',
  '[::ffff:a9fe:a9fe]',
  '[::127.0.0.1]',
]
/** What the URL parser makes an address of. */
const spellings = [
  '2822734096',
  '0xa83f8110',
  '2130706433',
  '0x7f.1',
  '0x7f000001',
  '0177.0.0.1',
  '017700000001',
  '127.1',
  '127.0.1',
  '127.0.0.1.',
  '0',
  '１２７.０.０.１',
  '2852039166',
  '0xa9fea9fe',
  '[0:0:0:0:0:0:0:1]',
  '[::ffff:7f00:1]',
]

describe.each([...literals, ...spellings, 'localhost', 'LOCALHOST'])('https://%s', (host) => {
  test('is refused when it is registered', async () => {
    expect(await check(`https://${host}/hook`)).toMatch(/^The host .* leads to an address that is not public\.$/)
    expect(await check(`https://${host}:8443/`)).toMatch(/not public/)
    // A resolver may say of an address what it likes.
    if (!/^localhost$/i.test(host))
      expect(await check(`https://${host}/`, answersOf(['8.8.8.8']))).toMatch(/not public/)
  })

  test('is refused when it is connected to, unsent', async () =>
    expect(await send(`https://${host}/hook`)).toBe('ADDRESS_REFUSED not sent'))
})

describe('a name', () => {
  const privately = literals.map((host) => host.replace(/^\[|\]$/g, ''))

  test.each(privately)('that leads to %s is refused, both times', async (address) => {
    expect(await check('https://name.example/', answersOf([address]))).toBe(
      'The host name.example leads to an address that is not public.',
    )
    expect(await send('https://name.example/', answersOf([address]))).toBe('ADDRESS_REFUSED not sent')
  })

  test.each([[['8.8.8.8', '10.0.0.1']], [['2a00:1450:4001::8', '8.8.8.8', '::1']], [['fe80::1', '8.8.8.8']]])(
    'with one private address among several is refused, both times: %s',
    async (addresses) => {
      expect(await check('https://name.example/', answersOf(addresses))).toMatch(/not public/)
      expect(await send('https://name.example/', answersOf(addresses))).toBe('ADDRESS_REFUSED not sent')
    },
  )

  test('that is public at registration and private at connection is not called', async () => {
    let connections = 0
    const server = createServer()
      .on('connection', () => (connections += 1))
      .listen(0, '127.0.0.1')
    closing.push(() => server.close())
    await once(server, 'listening')
    const rebinding = answersOf(['8.8.8.8'], ['127.0.0.1'])
    const url = `https://rebinding.example:${(server.address() as AddressInfo).port}/`
    expect(await check(url, rebinding)).toBeUndefined()
    expect(await send(url, rebinding)).toBe('ADDRESS_REFUSED not sent')
    expect(rebinding.asked).toEqual(['rebinding.example', 'rebinding.example'])
    expect(connections).toBe(0)
  })

  test('with public addresses only is taken', async () => {
    expect(await check('https://name.example/hook?a=b', answersOf(['8.8.8.8', '2a00:1450:4001::8']))).toBeUndefined()
  })

  test('is asked for addresses of both families', async () => {
    const families: unknown[] = []
    await check('https://name.example/', (_hostname, options, callback) => {
      families.push(options.all, options.family)
      callback(null, [{ address: '8.8.8.8', family: 4 }])
    })
    expect(families).toEqual([true, undefined])
  })

  test.each(['ENOTFOUND', 'EAI_AGAIN', 'ESERVFAIL'])('that does not resolve, by %s, says so', async (code) => {
    expect(await check('https://nowhere.example/', failing(code))).toBe(
      'The host nowhere.example cannot be resolved to an address.',
    )
  })

  test('without any address, or whose resolver never answers, says so', async () => {
    expect(await check('https://nowhere.example/', answersOf([]))).toBe(
      'The host nowhere.example cannot be resolved to an address.',
    )
    expect(
      await checkDestination('https://slow.example/', {
        allowedHosts: new Set(),
        ports: new Set(),
        lookup: () => undefined,
        timeoutMs: 10,
      }),
    ).toBe('The host slow.example cannot be resolved to an address.')
  })

  test('of a private network is refused without naming its address', async () => {
    expect(await check('https://intranet.example/', answersOf(['10.20.30.40']))).not.toContain('10.20.30.40')
  })
})

describe('the port', () => {
  const lookup = answersOf(['8.8.8.8'])
  const checkPort = (port: number, more: number[] = []): Promise<string | undefined> =>
    checkDestination(`https://name.example:${port}/`, { allowedHosts: new Set(), ports: new Set(more), lookup })

  test.each([443, 80, 1024, 8443, 65_535])('%i is taken', async (port) => expect(await checkPort(port)).toBeUndefined())

  test.each([22, 25, 110, 389, 993, 1023])('%i is refused, and the refusal says which are not', async (port) => {
    expect(await checkPort(port)).toBe(`Port ${port} is not sent to; allowed are 443, 80, those above 1023.`)
    expect(await send(`https://8.8.8.8:${port}/`)).toBe('ADDRESS_REFUSED not sent')
  })

  test('may be one that the operator adds', async () => {
    expect(await checkPort(587, [587])).toBeUndefined()
    expect(await checkPort(25, [587])).toBe('Port 25 is not sent to; allowed are 443, 80, 587, those above 1023.')
  })

  test('of an allowed host may be any', async () => {
    const allowedHosts = new Set(['receiver:22'])
    expect(await checkDestination('http://receiver:22/', { allowedHosts, ports: new Set(), lookup })).toBeUndefined()
    expect(await send('http://127.0.0.1:1/', undefined, new Set(['127.0.0.1:1']))).toBe('ECONNREFUSED not sent')
  })

  test('is read from a list', () => {
    expect([...parsePorts(' 587, 993,')]).toEqual([587, 993])
    for (const list of ['0', '65536', '22-25', 'ssh']) expect(() => parsePorts(list), list).toThrow(RangeError)
  })
})

describe('the scheme', () => {
  test.each(['http://example.com/', 'ftp://example.com/', 'file:///etc/passwd', 'javascript:alert(1)', 'data:,x'])(
    '%s is refused',
    async (url) => {
      expect(await check(url, answersOf(['8.8.8.8']))).toBe('Only https:// is sent to.')
    },
  )

  test.each(['', 'example.com', 'https://', 'https://[::1'])('"%s" is not a URL', async (url) =>
    expect(await check(url)).toBe('This is not a URL.'),
  )
})

test('an allowed host may be private and over http, at its port only', async () => {
  const allowed = new Set(['127.0.0.1:8090', 'receiver:80'])
  expect(await check('http://127.0.0.1:8090/', resolver.lookupFor('tenant'), allowed)).toBeUndefined()
  expect(await check('http://receiver/', failing('ENOTFOUND'), allowed)).toBeUndefined()
  expect(await check('https://127.0.0.1:8091/', resolver.lookupFor('tenant'), allowed)).toMatch(/not public/)
  expect(await check('http://127.0.0.1/', resolver.lookupFor('tenant'), allowed)).toBe('Only https:// is sent to.')
  expect(await check('ftp://127.0.0.1:8090/', resolver.lookupFor('tenant'), allowed)).toBe('Only https:// is sent to.')
})

test('a public literal is taken', async () => {
  expect(await check('https://8.8.8.8/')).toBeUndefined()
  expect(await check('https://[2606:2800:220:1:248:1893:25c8:1946]/')).toBeUndefined()
})
