import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isJsonObject, mergeJson, type JsonObject, type JsonValue } from './json.ts'
import { KnownSecrets, MASK } from './known-secrets.ts'
import {
  blotOut as blotOutOf,
  credentialSecrets,
  isSecretName,
  maskSecrets,
  providerIdOf,
  secretStrings,
  splitSecrets,
} from './secrets.ts'

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

const blotOut = <T>(value: T, secrets: readonly string[]): T => blotOutOf(value, new KnownSecrets(secrets))

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

  test('finds any secret in any spelling, alone or among other text, and in spellings of spellings', () => {
    const escaped: Record<string, (text: string) => string> = {
      plain: (text) => text,
      component: encodeURIComponent,
      form: (text) => new URLSearchParams({ '': text }).toString().slice(1),
      'percent, every byte': (text) => Buffer.from(text).toString('hex').replaceAll(/../g, '%$&'),
      'percent, upper case': (text) => Buffer.from(text).toString('hex').toUpperCase().replaceAll(/../g, '%$&'),
      json: (text) => JSON.stringify(text).slice(1, -1),
      'json, slashes too': (text) => JSON.stringify(text).slice(1, -1).replaceAll('/', '\\/'),
      'json, every unit': (text) =>
        Array.from({ length: text.length }, (_, at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`).join(
          '',
        ),
      'html, by number': (text) => Array.from(text, (sign) => `&#${sign.codePointAt(0)};`).join(''),
      'html, by number of sixteen': (text) =>
        Array.from(text, (sign) => `&#x${sign.codePointAt(0)?.toString(16)};`).join(''),
    }
    const encoded: Record<string, (text: string) => string> = {
      base64: (text) => Buffer.from(text).toString('base64'),
      base64url: (text) => Buffer.from(text).toString('base64url'),
      hex: (text) => Buffer.from(text).toString('hex'),
      'hex, upper case': (text) => Buffer.from(text).toString('hex').toUpperCase(),
    }
    const text = fc.string({ unit: 'grapheme', maxLength: 12 })
    const secret = fc
      .string({ unit: 'grapheme', minLength: 4, maxLength: 40 })
      .filter((one) => !MASK.includes(one) && !MASK.includes(one.trim()))
    const spelling = fc.tuple(
      fc.constantFrom(...Object.keys(encoded), 'as it is'),
      fc.constantFrom(...Object.keys(escaped)),
      fc.constantFrom(...Object.keys(escaped)),
    )
    fc.assert(
      fc.property(secret, text, text, spelling, (one, before, after, [inner, middle, outer]) => {
        // Where its surroundings hold it too, there is more than one to find.
        fc.pre((before + one + after).split(one).length === 2)
        const same = (plain: string): string => plain
        const spell = (plain: string): string =>
          (escaped[outer] ?? same)((escaped[middle] ?? same)((encoded[inner] ?? same)(plain)))
        const sent = { [`key ${spell(one)}`]: ['x', `said: "${spell(before + one + after)}"`] }
        const kept = JSON.stringify(blotOut(sent, [one]))
        expect(kept.split(MASK)).toHaveLength(3)
        // What is left of its surroundings holds nothing of it.
        for (const piece of kept.split(MASK))
          for (const decoded of [piece, ...['base64', 'hex'].map((as) => Buffer.from(piece, as as 'hex').toString())])
            expect(decoded.includes(one) && !(before + after).includes(one)).toBe(false)
        expect(kept).not.toContain(spell(one))
      }),
      { numRuns: 500 },
    )
  })

  test('finds the beginning of a secret where a text was cut', () => {
    const secret = 'Correct-Horse-9 battery'
    for (const spelt of [
      secret,
      Buffer.from(secret).toString('hex'),
      Buffer.from(secret).toString('base64'),
      encodeURIComponent(secret),
      Buffer.from(secret).toString('hex').replaceAll(/../g, '%$&'),
    ]) {
      for (let length = 1; length < spelt.length; length += 1) {
        const kept = blotOut(`said ${spelt.slice(0, length)}… (400)`, [secret])
        expect(kept, spelt.slice(0, length)).toMatch(/^said (\[secret\]…|(\w{1,3}|(%\w\w){0,3}(%\w?)?)…) \(400\)$/)
      }
    }
    expect(blotOut('said Corr', [secret])).toBe('said Corr')
  })

  test('leaves texts without a secret as they are, escapes and all', () => {
    const text = fc.string({ unit: 'grapheme-ascii' })
    fc.assert(
      fc.property(text, text, (one, other) => {
        const said = { one: `%41 \\u0041 &amp; ${one}`, [other]: [other, 4711] }
        expect(blotOut(said, ['Zz-secret-nowhere-0123456789'])).toEqual(said)
      }),
    )
  })

  test('a header of basic authentication gives away no password', () => {
    for (const user of ['', 'a', 'ab', 'abc'])
      expect(
        Buffer.from(
          blotOut(Buffer.from(`${user}:Correct-Horse-9`).toString('base64'), ['Correct-Horse-9']).replace(MASK, ''),
          'base64',
        ).toString('latin1'),
      ).not.toMatch(/[orec-]{2}/)
  })

  test('looks at no more of a hostile answer than a quarter of a mebibyte', () => {
    const long = '%41'.repeat(90_000)
    expect(blotOut({ a: 'short', b: long, c: 'secret-1' }, ['secret-1'])).toEqual({
      a: 'short',
      b: '[too long]',
      c: MASK,
    })
  })

  /** Of this process alone: what else the machine does counts for nothing. */
  const cpuMsSince = (before: NodeJS.CpuUsage): number => process.cpuUsage(before).user / 1_000

  test.each([
    ['a secret behind every escape', 'abcd', '\\nabcd'],
    ['a blank for every plus', '    ', '+'],
    ['a cut after every few signs', 'a'.repeat(2_000), 'aaaa…'],
    ['half an escape before every cut', 'a'.repeat(2_000), 'aaaa%4…'],
    ['a secret that overlaps itself', 'aaaa', 'a'],
  ])('looks at a hostile text in a moment: %s', (_, secret, piece) => {
    const hostile = piece.repeat(250_000 / piece.length)
    const before = process.cpuUsage()
    expect(blotOut({ hostile }, [secret]).hostile).toContain(MASK)
    expect(cpuMsSince(before)).toBeLessThan(3_000)
  })

  test('looks at many texts in a moment, however long the secret is', () => {
    const before = process.cpuUsage()
    const said = blotOut(
      Array.from({ length: 20_000 }, () => 'aaaa…'),
      ['a'.repeat(500_000)],
    )
    expect(said.every((text) => text === `${MASK}…`)).toBe(true)
    expect(cpuMsSince(before)).toBeLessThan(3_000)
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

  test('of credentials, what opens an account, and not what names it', () => {
    expect(
      credentialSecrets({
        type: 'jwt_bearer',
        client_id: 'client-1',
        private_key: 'key-1',
        username: 'ada@example.com',
      }),
    ).toEqual(['key-1'])
    expect(
      credentialSecrets({ type: 'refresh_token', client_id: 'client-1', client_secret: 'cs-1', refresh_token: 'rt-1' }),
    ).toEqual(['cs-1', 'rt-1'])
    for (const name of ['api_token', 'api_key'])
      expect(credentialSecrets({ type: name, [name]: 'k-1234' })).toEqual(['k-1234'])
  })
})

describe('an id that a provider gives', () => {
  const secrets = new KnownSecrets(['Correct-Horse-9'])

  test.each(['XmZl9-0q_Aa', '9b2f6a1e-6d0c-4a55-8f35-0d3a2f7a9e11', 'req:1/2+3==', '00u1abcd', 'a'.repeat(128)])(
    'is kept: %s',
    (id) => expect(providerIdOf(id, secrets)).toBe(id),
  )

  test.each([
    '',
    'two words',
    'a'.repeat(129),
    'line\nbreak',
    '<b>',
    'a, b',
    'Correct-Horse-9',
    'id-Correct-Horse-9',
    Buffer.from('user:Correct-Horse-9').toString('base64'),
    Buffer.from('Correct-Horse-9').toString('hex'),
  ])('is dropped where it has not the shape of one, or holds a secret: %j', (id) =>
    expect(providerIdOf(id, secrets)).toBeUndefined(),
  )
})
