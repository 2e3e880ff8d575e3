import { createHmac, verify } from 'node:crypto'
import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import { describe, expect, test } from 'vitest'
import { createSecret, createSigningKey, parsePublicKey } from './secret.ts'
import { signMessage, type SignatureHeaders } from './signature.ts'

const now = (): number => Math.floor(Date.now() / 1000)
const body = JSON.stringify({
  type: 'operation.succeeded',
  timestamp: '2026-03-01T10:00:00Z',
  data: { name: 'Zoë 🦊' },
})
const message = (more: Partial<Parameters<typeof signMessage>[0]> = {}) => ({
  id: 'msg_1',
  timestamp: now(),
  body,
  secrets: [createSecret()],
  ...more,
})

type Receiver = (secret: string, body: string, headers: SignatureHeaders) => unknown
const receivers: [string, Receiver][] = [
  ['standardwebhooks', (secret, text, headers) => new Webhook(secret).verify(text, { ...headers })],
  ['svix', (secret, text, headers) => new SvixWebhook(secret).verify(text, { ...headers })],
]

describe.each(receivers)('a message, received with %s', (_, receive) => {
  test('verifies', () => {
    const secret = createSecret()
    expect(() => receive(secret, body, signMessage(message({ secrets: [secret] })))).not.toThrow()
  })

  test('verifies with either secret while one follows the other', () => {
    const [current, previous] = [createSecret(), createSecret()]
    const headers = signMessage(message({ secrets: [current, previous, createSigningKey().privateKey] }))
    expect(() => receive(current, body, headers)).not.toThrow()
    expect(() => receive(previous, body, headers)).not.toThrow()
  })

  test('verifies beside the signature of a key pair', () => {
    const secret = createSecret()
    expect(() =>
      receive(secret, body, signMessage(message({ secrets: [createSigningKey().privateKey, secret] }))),
    ).not.toThrow()
  })

  test.each<
    [string, (headers: SignatureHeaders) => { secret?: string; body?: string; headers?: Partial<SignatureHeaders> }]
  >([
    ['another secret', () => ({ secret: createSecret() })],
    ['a changed body', () => ({ body: body.replace('succeeded', 'succeeded ') })],
    ['another id', () => ({ headers: { 'webhook-id': 'msg_2' } })],
    [
      'another timestamp',
      (headers) => ({ headers: { 'webhook-timestamp': String(Number(headers['webhook-timestamp']) + 1) } }),
    ],
  ])('does not verify with %s', (_name, change) => {
    const secret = createSecret()
    const headers = signMessage(message({ secrets: [secret] }))
    const changed = change(headers)
    expect(() => receive(changed.secret ?? secret, changed.body ?? body, { ...headers, ...changed.headers })).toThrow(
      'No matching signature',
    )
  })

  test.each([-301, 301])('does not verify %d seconds off', (seconds) => {
    const secret = createSecret()
    // Two seconds of margin: the clock runs between the signature and the check.
    const timestamp = now() + seconds + 2 * Math.sign(seconds)
    expect(() => receive(secret, body, signMessage(message({ secrets: [secret], timestamp })))).toThrow(/too (old|new)/)
  })

  test('does not verify with a secret that signs no more', () => {
    const [current, previous] = [createSecret(), createSecret()]
    expect(() => receive(previous, body, signMessage(message({ secrets: [current] })))).toThrow('No matching signature')
  })
})

describe('the headers', () => {
  test('carry a signature for each secret, newest first', () => {
    const secrets = [createSecret(), createSigningKey().privateKey, createSecret()]
    const all = signMessage(message({ timestamp: 1_700_000_000, secrets }))
    expect(all).toMatchObject({ 'webhook-id': 'msg_1', 'webhook-timestamp': '1700000000' })
    expect(all['webhook-signature'].split(' ')).toEqual(
      secrets.map(
        (secret) => signMessage(message({ timestamp: 1_700_000_000, secrets: [secret] }))['webhook-signature'],
      ),
    )
    expect(all['webhook-signature']).toMatch(/^v1,\S{44} v1a,\S{88} v1,\S{44}$/)
  })

  test('are signed as the standard describes it', () => {
    const secret = createSecret()
    const expected = createHmac('sha256', Buffer.from(secret.slice(6), 'base64'))
      .update(`msg_1.1700000000.${body}`)
      .digest('base64')
    expect(signMessage(message({ timestamp: 1_700_000_000, secrets: [secret] }))['webhook-signature']).toBe(
      `v1,${expected}`,
    )
  })

  test('of a key pair verify with its public key, for this id, time and body only', () => {
    const { privateKey, publicKey } = createSigningKey()
    const headers = signMessage(message({ timestamp: 1_700_000_000, secrets: [privateKey] }))
    const signature = Buffer.from(headers['webhook-signature'].replace('v1a,', ''), 'base64')
    const holds = (text: string, key = publicKey): boolean =>
      verify(null, Buffer.from(text), parsePublicKey(key), signature)
    expect(holds(`msg_1.1700000000.${body}`)).toBe(true)
    for (const other of [`msg_2.1700000000.${body}`, `msg_1.1700000001.${body}`, `msg_1.1700000000.${body} `])
      expect(holds(other)).toBe(false)
    expect(holds(`msg_1.1700000000.${body}`, createSigningKey().publicKey)).toBe(false)
  })
})

test('any text verifies, and as the bytes that are sent', () => {
  const secret = createSecret()
  const { privateKey, publicKey } = createSigningKey()
  fc.assert(
    // Lone halves of surrogate pairs too: they go over the wire as U+FFFD.
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
        fc.string({ unit: 'grapheme' }),
      ),
      (text) => {
        const headers = signMessage(message({ body: text, secrets: [secret, privateKey] }))
        const received = Buffer.from(text)
        new Webhook(secret).verify(received, { ...headers }, { jsonParse: false })
        const asymmetric = headers['webhook-signature'].split(' v1a,')[1] ?? ''
        expect(
          verify(
            null,
            Buffer.concat([Buffer.from(`msg_1.${headers['webhook-timestamp']}.`), received]),
            parsePublicKey(publicKey),
            Buffer.from(asymmetric, 'base64'),
          ),
        ).toBe(true)
      },
    ),
  )
})

test('any JSON verifies with svix', () => {
  const secret = createSecret()
  fc.assert(
    fc.property(
      fc.json(),
      (text) =>
        void new SvixWebhook(secret).verify(text, { ...signMessage(message({ body: text, secrets: [secret] })) }),
    ),
  )
})

describe('what cannot be signed', () => {
  test.each(['a.b', '', 'a b', 'a\r\nx: y', 'ä', 'a'.repeat(257)])('the id "%s"', (id) =>
    expect(() => signMessage(message({ id }))).toThrow(RangeError),
  )

  test.each([1.5, -1, Number.NaN, Number.POSITIVE_INFINITY])('the time %d', (timestamp) =>
    expect(() => signMessage(message({ timestamp }))).toThrow(RangeError),
  )

  test('a message without a secret, or with one that is none', () => {
    expect(() => signMessage(message({ secrets: [] }))).toThrow(RangeError)
    expect(() => signMessage(message({ secrets: [createSecret(), 'whsec_short'] }))).toThrow('must be base64')
  })
})
