import type { JsonObject } from '@muster/contracts/json'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { tinyProvider } from '../../test/tiny-directory.ts'
import { checkAccount } from './account-config.ts'
import { baseUrlOf, checkOrigin, isAllowedOrigin, toOrigin } from './base-url.ts'

const none = new Set<string>()

describe('what a customer pastes for an address', () => {
  test.each([
    ['https://acme.okta.com', 'https://acme.okta.com'],
    [' https://acme.okta.com/ ', 'https://acme.okta.com'],
    ['https://ACME.okta.com/api/v1/users?limit=1#top', 'https://acme.okta.com'],
    ['acme.okta.com', 'https://acme.okta.com'],
    ['acme.okta.com/api/v1', 'https://acme.okta.com'],
    ['acme.example.com:8443', 'https://acme.example.com:8443'],
    ['localhost:8080', 'https://localhost:8080'],
    ['http://localhost:8080/x', 'http://localhost:8080'],
    ['https://acme.okta.com:443', 'https://acme.okta.com'],
  ])('%s leads to %s', (pasted, origin) => expect(toOrigin(pasted)).toBe(origin))

  test.each([
    '',
    '   ',
    'ftp://acme.okta.com',
    'file:///etc/passwd',
    'https://user:pass@acme.okta.com',
    'user@acme.okta.com',
    'https://',
    'not a host',
    'data://text',
  ])('"%s" is not an address', (pasted) => expect(toOrigin(pasted)).toBeUndefined())

  test('an origin is its own origin', () => {
    fc.assert(
      fc.property(fc.oneof(fc.webUrl(), fc.string(), fc.domain()), (pasted) => {
        const origin = toOrigin(pasted)
        if (origin !== undefined) expect(toOrigin(origin)).toBe(origin)
      }),
    )
  })
})

describe('hosts that credentials may be sent to', () => {
  test("a domain of the customer's own only where the config says so, the vendor has such, and over https", () => {
    expect(isAllowedOrigin(tinyProvider, 'https://id.acme.example', { custom_domain: true }, none)).toBe(true)
    expect(isAllowedOrigin(tinyProvider, 'http://id.acme.example', { custom_domain: true }, none)).toBe(false)
    expect(
      isAllowedOrigin(
        { ...tinyProvider, hosts: { ...tinyProvider.hosts, allowsCustomDomain: false } },
        'https://id.acme.example',
        { custom_domain: true },
        none,
      ),
    ).toBe(false)
    expect(isAllowedOrigin(tinyProvider, 'https://id.acme.example', { custom_domain: 'true' }, none)).toBe(false)
  })

  test("those on the operator's list, by exact host and port", () => {
    const allowed = new Set(['127.0.0.1:8080'])
    expect(isAllowedOrigin(tinyProvider, 'http://127.0.0.1:8080', {}, allowed)).toBe(true)
    expect(isAllowedOrigin(tinyProvider, 'http://127.0.0.1:8081', {}, allowed)).toBe(false)
  })
})

describe("an account's config", () => {
  const check = (config: JsonObject, more: Partial<typeof tinyProvider> = {}) =>
    checkAccount({ ...tinyProvider, ...more }, config, { type: 'api_token' }, none).map(
      ({ pointer, code }) => `${pointer} ${code}`,
    )

  test('is fine without an address where the vendor has one for all, and not where it has none', () => {
    expect(check({})).toEqual([])
    expect(check({}, { defaultBaseUrl: null })).toEqual(['/config/base_url required'])
    expect(checkOrigin(tinyProvider, 'token_url', {}, none)).toBeUndefined()
  })

  test('reports every problem at once', () => {
    expect(check({ base_url: 'https://evil.example', token_url: 'ftp://x', nonsense: 1 }).sort()).toEqual([
      '/config/base_url host_not_allowed',
      '/config/nonsense unknown_field',
      '/config/token_url invalid_url',
    ])
    expect(check({ base_url: 7 })).toEqual(['/config/base_url invalid_type'])
    expect(checkAccount(tinyProvider, {}, { type: 'service_account' }, none)).toMatchObject([
      { pointer: '/credentials/type', code: 'not_supported' },
    ])
  })

  test('decides where the account is called', () => {
    expect(baseUrlOf(tinyProvider, {})).toBe('https://api.tiny.example')
    expect(baseUrlOf(tinyProvider, { base_url: 'eu.tiny.example/v2' })).toBe('https://eu.tiny.example')
    expect(() => baseUrlOf({ ...tinyProvider, defaultBaseUrl: null }, {})).toThrow('base_url')
  })
})
