import { sign, verify } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  checkSecret,
  createSecret,
  createSigningKey,
  InvalidSecretError,
  parsePublicKey,
  parseSecret,
  publicKeyOf,
} from './secret.ts'

const bytesOf = (text: string): Buffer => Buffer.from(text.replace(/^wh\w+?_/, ''), 'base64')
const base64 = (length: number): string => Buffer.alloc(length, 7).toString('base64')

/** RFC 8032 section 7.1, test 1. */
const RFC_SEED = '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60'
const RFC_PUBLIC = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'
const key = (...hex: string[]): string => `whsk_${Buffer.from(hex.join(''), 'hex').toString('base64')}`

test('a new secret is 32 random bytes, and unique', () => {
  expect(createSecret()).toMatch(/^whsec_/)
  expect(bytesOf(createSecret())).toHaveLength(32)
  expect(createSecret()).not.toBe(createSecret())
  expect(checkSecret(createSecret())).toBeUndefined()
})

describe('a signing key', () => {
  test('is a seed with its public key behind it, and the public key alone', () => {
    const { privateKey, publicKey } = createSigningKey()
    expect(privateKey).toMatch(/^whsk_/)
    expect(publicKey).toMatch(/^whpk_/)
    expect(bytesOf(privateKey)).toHaveLength(64)
    expect(bytesOf(privateKey).subarray(32)).toEqual(bytesOf(publicKey))
    expect(publicKeyOf(privateKey)).toBe(publicKey)
    expect(createSigningKey().privateKey).not.toBe(privateKey)
  })

  test('signs what its public key verifies', () => {
    const pair = createSigningKey()
    const parsed = parseSecret(pair.privateKey)
    if (parsed.scheme !== 'v1a') throw new Error('it is not a signing key')
    const signature = sign(null, Buffer.from('text'), parsed.privateKey)
    expect(verify(null, Buffer.from('text'), parsePublicKey(pair.publicKey), signature)).toBe(true)
    expect(verify(null, Buffer.from('text'), parsePublicKey(createSigningKey().publicKey), signature)).toBe(false)
  })

  test('is read with and without its public key, as RFC 8032 has them', () => {
    const whpk = `whpk_${Buffer.from(RFC_PUBLIC, 'hex').toString('base64')}`
    expect(publicKeyOf(key(RFC_SEED))).toBe(whpk)
    expect(publicKeyOf(key(RFC_SEED, RFC_PUBLIC))).toBe(whpk)
  })

  test('is refused beside the public key of another', () => {
    expect(checkSecret(key(RFC_SEED, 'ab'.repeat(32)))).toContain('belongs to it')
  })
})

test('a shared secret has no public half', () => expect(publicKeyOf(createSecret())).toBeUndefined())

describe('invalid secrets', () => {
  test.each([24, 32, 64])('%d bytes are enough', (length) =>
    expect(checkSecret(`whsec_${base64(length)}`)).toBeUndefined(),
  )

  test.each([
    ['too few bytes', `whsec_${base64(23)}`, /24 to 64 bytes/],
    ['too many bytes', `whsec_${base64(65)}`, /24 to 64 bytes/],
    ['no bytes', 'whsec_', /24 to 64 bytes/],
    ['no prefix', base64(32), /begin with whsec_ or whsk_/],
    ['a public key', createSigningKey().publicKey, /begin with whsec_ or whsk_/],
    ['characters that are not base64', `whsec_${base64(32).slice(0, -2)}*=`, /base64/],
    ['base64 for URLs', `whsec_${Buffer.alloc(32, 255).toString('base64url')}`, /base64/],
    ['no padding', `whsec_${base64(32).replace('=', '')}`, /base64/],
    ['a line break behind it', `${createSecret()}\n`, /base64/],
    ['half a signing key', `whsk_${base64(33)}`, /32 or 64 bytes/],
  ])('%s', (_, text, why) => expect(checkSecret(text)).toMatch(why))

  test('a public key of the wrong kind or length', () => {
    expect(() => parsePublicKey(createSecret())).toThrow(InvalidSecretError)
    expect(() => parsePublicKey(`whpk_${base64(31)}`)).toThrow(InvalidSecretError)
    expect(() => parsePublicKey('whpk_???')).toThrow(InvalidSecretError)
  })

  test('is reported without quoting it', () => {
    fc.assert(
      fc.property(fc.constantFrom('whsec_', 'whsk_', ''), fc.string({ minLength: 8 }), (prefix, text) => {
        const secret = `${text}${text}`
        expect(checkSecret(prefix + secret) ?? '').not.toContain(secret)
        try {
          parseSecret(prefix + secret)
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidSecretError)
          expect(String((error as Error).stack)).not.toContain(secret)
        }
      }),
    )
  })
})
