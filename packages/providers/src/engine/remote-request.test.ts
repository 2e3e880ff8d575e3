import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '@muster/contracts/json'
import { RemoteFailureError } from '../provider.ts'
import { pathOf, toQueryString, toUrl } from './remote-request.ts'

describe('the query of a remote request', () => {
  test.each<[string, JsonObject, string]>([
    ['text, numbers and switches', { a: 'x y', b: 1, c: false }, 'a=x%20y&b=1&c=false'],
    [
      'nested objects as brackets',
      { filter: { username: 'ada', age: { gt: 3 } } },
      'filter[username]=ada&filter[age][gt]=3',
    ],
    ['arrays as repeated names', { ids: [1, 2], rows: [{ id: 3 }] }, 'ids[]=1&ids[]=2&rows[][id]=3'],
    ['nothing for null and empties', { a: null, b: [], c: {} }, ''],
    ['names encoded too', { 'a&b': { 'c=d': 'e&f=g' } }, 'a%26b[c%3Dd]=e%26f%3Dg'],
  ])('writes %s', (_, query, text) => expect(toQueryString(query)).toBe(text))

  test('no text gets out of its place', () => {
    const plain = fc.string({ unit: 'grapheme' })
    fc.assert(
      fc.property(
        fc.dictionary(
          plain.filter((name) => name !== '__proto__'),
          plain,
        ),
        (query) => {
          expect([...new URLSearchParams(toQueryString(query))]).toEqual(Object.entries(query))
        },
      ),
    )
  })

  test('half of a surrogate pair is replaced, since nothing can encode it', () => {
    expect(toQueryString({ '\ud800': '\udfff' })).toBe('%EF%BF%BD=%EF%BF%BD')
  })

  test('is joined to the origin without a doubled slash', () => {
    expect(toUrl('https://x.example/', { path: '/users' })).toBe('https://x.example/users')
    expect(toUrl('https://x.example', { path: '/users', query: { a: 1 } })).toBe('https://x.example/users?a=1')
    expect(toUrl('https://x.example', { path: '/users', query: { a: null } })).toBe('https://x.example/users')
  })
})

describe('the path of a remote request', () => {
  test('every value is one segment, whatever it holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (one, other) => {
        fc.pre(!['', '.', '..'].includes(one) && !['', '.', '..'].includes(other))
        const { pathname } = new URL(`https://x.example${pathOf`/a/${one}/b/${other}`}`)
        expect(pathname.split('/').map(decodeURIComponent)).toEqual(['', 'a', one, 'b', other])
      }),
    )
    const { pathname } = new URL(`https://x.example${pathOf`/a/${'%2e%2e'}/b`}`)
    expect(pathname).toBe('/a/%252e%252e/b')
  })

  test.each(['', '.', '..'])('%j would be resolved away, so nothing is sent', (segment) => {
    expect(() => pathOf`/api/v1/organizations/${segment}/admins`).toThrow(RemoteFailureError)
  })
})
