import { generateKeyPairSync } from 'node:crypto'
import { importSPKI, jwtVerify } from 'jose'
import { describe, expect, test } from 'vitest'
import { bearer, parseTokenBody, signAssertion, toAccessToken } from './authentication.ts'
import { RemoteFailureError } from '../provider.ts'

const NOW = Date.parse('2026-03-01T10:00:00Z')
const { privateKey, publicKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
})

describe('the answer of a token endpoint', () => {
  test.each<[string, Record<string, unknown>, object]>([
    ['a lifetime', { expires_in: 3600 }, { expiresAt: NOW + 3_600_000 }],
    ['a lifetime as text', { expires_in: '60' }, { expiresAt: NOW + 60_000 }],
    ['no lifetime', {}, { expiresAt: null }],
    ['an odd lifetime', { expires_in: 'soon' }, { expiresAt: null }],
    ['an odd refresh token', { refresh_token: 7, scope: ['a'] }, { expiresAt: null }],
    ['a rotated refresh token', { refresh_token: 'next' }, { rotatedRefreshToken: 'next' }],
    [
      'an address of its own',
      { instance_url: 'https://acme.my.salesforce.com' },
      { baseUrl: 'https://acme.my.salesforce.com' },
    ],
  ])('with %s is read', (_, more, expected) => {
    const token = toAccessToken(parseTokenBody({ access_token: 't', ...more }), NOW)
    expect(token).toMatchObject({ value: 't', ...expected })
    expect(bearer(token)).toEqual({ authorization: 'Bearer t' })
  })

  test.each([[null], [''], ['<html>'], [{}], [{ access_token: '' }], [{ access_token: 7 }]])(
    '%j holds no token, for now',
    (body) => {
      expect(() => parseTokenBody(body)).toThrow(
        expect.objectContaining({
          failure: expect.objectContaining({ outcome: 'retrying' }) as unknown,
        }) as Error,
      )
    },
  )
})

describe('a signed assertion', () => {
  const options = { keyId: 'k1', claims: { iss: 'me', aud: 'https://x.example/token' }, lifetime: 300, now: NOW }

  test('can be verified, ends when it should, and is never the same twice', async () => {
    const [one, two] = await Promise.all([
      signAssertion({ ...options, privateKey }),
      signAssertion({ ...options, privateKey }),
    ])
    const { payload, protectedHeader } = await jwtVerify(one, await importSPKI(publicKey, 'RS256'), {
      currentDate: new Date(NOW),
    })
    expect(payload).toMatchObject({ iss: 'me', aud: 'https://x.example/token', iat: NOW / 1000, exp: NOW / 1000 + 300 })
    expect(protectedHeader).toMatchObject({ alg: 'RS256', kid: 'k1' })
    expect(one).not.toBe(two)
  })

  test('takes a key whose line breaks were written out', async () => {
    await expect(signAssertion({ ...options, privateKey: privateKey.replaceAll('\n', '\\n') })).resolves.toMatch(/^ey/)
  })

  test.each([
    ['no key', 'canary-not-a-key, and long enough to be cut out of the middle of it'],
    ['a public key', publicKey],
    ['a broken key', privateKey.slice(0, 200)],
    [
      'another kind of key',
      generateKeyPairSync('ec', {
        namedCurve: 'P-256',
        privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
        publicKeyEncoding: { type: 'spki', format: 'pem' },
      }).privateKey,
    ],
  ])("with %s is the account's trouble, and quotes nothing", async (_, bad) => {
    const error: unknown = await signAssertion({ ...options, privateKey: bad }).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(RemoteFailureError)
    expect(error).toMatchObject({ failure: { outcome: 'held', code: 'credentials_rejected' } })
    expect(String((error as Error).message) + String((error as Error).cause)).not.toContain(bad.slice(-40, -30))
  })
})
