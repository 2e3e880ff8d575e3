import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isJsonObject, mergeJson, type JsonObject, type JsonValue } from './json.ts'
import { blotOut, isSecretName, MASK, maskSecrets, secretStrings, splitSecrets } from './secrets.ts'

const names = fc.constantFrom(
  'password',
  'NewPassword',
  'api_key',
  'token',
  'answer',
  'profile',
  'name',
  'emails',
  '__proto__',
  'constructor',
  'a',
)
const { object } = fc.letrec<{ value: JsonValue; object: JsonObject }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.string(),
    fc.constant(MASK),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 3 }),
    tie('object'),
  ),
  // entries instead of fc.dictionary, since a generated "__proto__" must be a key of its own, as JSON.parse makes it.
  object: fc
    .uniqueArray(fc.tuple(names, tie('value')), { maxLength: 5, selector: ([name]) => name })
    .map((entries) => Object.fromEntries(entries)),
}))

/** Every text or number that stands under a secret's name, at any depth. */
function namedSecrets(value: JsonValue, isNamed = false): (string | number)[] {
  if (Array.isArray(value)) return value.flatMap((item) => namedSecrets(item, isNamed))
  if (isJsonObject(value))
    return Object.entries(value).flatMap(([key, inner]) => namedSecrets(inner, isNamed || isSecretName(key)))
  return isNamed && (typeof value === 'string' || typeof value === 'number') ? [value] : []
}

describe('names of secrets', () => {
  test.each([
    'password',
    'Password',
    'NewPassword',
    'hashed_password',
    'imported_password_hash',
    'passcode',
    'passphrase',
    'passwd',
    'client_secret',
    'access_token',
    'apiKey',
    'api-key',
    'private_key',
    'credential',
    'answer',
    'hash',
    'salt',
  ])('%s is one', (name) => {
    expect(isSecretName(name)).toBe(true)
  })

  test.each([
    'name',
    'emails',
    'changePasswordAtNextLogin',
    'change_password',
    'require_password_change',
    'password_set_at',
    'password_validity_days',
    'passport',
    'bypass_site_allowed_ips',
    'answers',
    'hashFunction',
  ])('%s is none', (name) => {
    expect(isSecretName(name)).toBe(false)
  })
})

describe('splitting secrets from what is kept', () => {
  test('gives the same value back when it is put together again', () => {
    fc.assert(
      fc.property(object, (value) => {
        const { kept, secrets } = splitSecrets(value)
        expect(isDeepStrictEqual(mergeJson(kept, secrets), value)).toBe(true)
      }),
    )
  })

  test('leaves no secret in what is kept', () => {
    fc.assert(fc.property(object, (value) => void expect(namedSecrets(splitSecrets(value).kept)).toEqual([])))
  })

  test('changes no prototype for a key named __proto__', () => {
    const { kept, secrets } = splitSecrets(JSON.parse('{"__proto__":{"polluted":1},"password":"x"}') as JsonObject)
    expect(Object.getPrototypeOf(kept)).toBe(Object.prototype)
    expect(Object.keys(kept)).toEqual(['__proto__'])
    expect(secrets).toEqual({ password: 'x' })
  })

  test('a secret inside an array takes the whole array with it', () => {
    expect(splitSecrets({ list: [{ name: 'a' }, { name: 'b', token: 't' }], plain: [{ name: 'c' }] })).toEqual({
      kept: { plain: [{ name: 'c' }] },
      secrets: { list: [{ name: 'a' }, { name: 'b', token: 't' }] },
    })
  })
})

describe('masking', () => {
  test('leaves no secret, and everything else as it was', () => {
    fc.assert(
      fc.property(object, (value) => {
        const masked = maskSecrets(value)
        expect(namedSecrets(masked).every((text) => text === MASK)).toBe(true)
        expect(Object.keys(masked)).toEqual(Object.keys(value))
        expect(isDeepStrictEqual(maskSecrets(masked), masked)).toBe(true)
      }),
    )
  })

  test('keeps switches and null, which tell nothing', () => {
    expect(maskSecrets({ password: { value: 'x', hash: { salt: 1 }, temporary: true, until: null } })).toEqual({
      password: { value: MASK, hash: { salt: MASK }, temporary: true, until: null },
    })
  })
})

describe('blotting out', () => {
  test('leaves none of the secrets, wherever they stand', () => {
    const secret = fc.stringMatching(/^[A-Z0-9]{4,8}$/)
    fc.assert(
      fc.property(fc.array(secret, { minLength: 1, maxLength: 4 }), object, fc.string(), (secrets, value, around) => {
        const echoed = {
          ...value,
          [`key ${secrets[0]}`]: [secrets.join(''), { text: around + secrets.join(around) + around }],
          number: 1234,
        }
        const text = JSON.stringify(blotOut(echoed, secrets))
        for (const one of secrets) expect(text).not.toContain(one)
      }),
    )
  })

  test('a secret within another saves nothing of the longer one', () => {
    expect(blotOut('you sent horse-battery-staple', ['battery', 'horse-battery-staple'])).toBe(`you sent ${MASK}`)
  })

  test('finds a secret as JSON, URLs, forms and HTML write it', () => {
    const secret = 'a"b&c <d>/e\nf'
    const page = [
      JSON.stringify({ password: secret }),
      `?password=${encodeURIComponent(secret)}`,
      new URLSearchParams({ password: secret }).toString(),
      '<p>a&quot;b&amp;c &lt;d&gt;/e\nf</p>',
    ].join('|')
    expect(blotOut(page, [secret])).toBe(`{"password":"${MASK}"}|?password=${MASK}|password=${MASK}|<p>${MASK}</p>`)
  })

  test('secrets with signs of regular expressions, and with half a character, are taken literally', () => {
    expect(blotOut('x a.*b(c y a--b(c', ['a.*b(c'])).toBe(`x ${MASK} y a--b(c`)
    expect(blotOut('x abcd\ud800 y', ['abcd\ud800'])).toBe(`x ${MASK} y`)
  })

  test('numbers that were secrets go too, others stay', () => {
    expect(blotOut({ pin: 123456, id: 7 }, secretStrings({ pin: 123456 }))).toEqual({ pin: MASK, id: 7 })
  })

  test('survives an answer that nests deeper than any recursion', () => {
    const hostile = JSON.parse('['.repeat(200_000) + ']'.repeat(200_000)) as unknown
    expect(JSON.stringify(blotOut({ hostile }, ['secret-1']))).toContain('[too deep]')
  })

  test('collects every text of four characters or more', () => {
    expect(secretStrings({ a: 'long enough', b: ['abc', 'abcd'], c: { d: 12345, e: true, f: null } })).toEqual([
      'long enough',
      'abcd',
      '12345',
    ])
  })
})
