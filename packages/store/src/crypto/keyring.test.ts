import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Keyring } from './keyring.ts'
import { readOrUnreadable, UnreadableError } from './unreadable.ts'

const key = (): string => randomBytes(32).toString('base64')
const long = { text: 'x'.repeat(500) }

describe('sealing', () => {
  test('gives back whatever was sealed, short or long', () => {
    const keyring = Keyring.parse(`k1:${key()}`)
    fc.assert(
      fc.property(fc.jsonValue(), fc.string(), (value, bound) => {
        expect(JSON.stringify(keyring.open(keyring.seal(value, bound), bound))).toBe(JSON.stringify(value))
      }),
    )
    expect(keyring.open(keyring.seal(long, 'b'), 'b')).toEqual(long)
  })

  test('shows nothing of it, and never looks the same twice', () => {
    const keyring = Keyring.parse(`k1:${key()}`)
    const sealed = [keyring.seal('hunter2-canary', 'b'), keyring.seal('hunter2-canary', 'b')] as const
    expect(sealed[0].includes('hunter2')).toBe(false)
    expect(sealed[0].equals(sealed[1])).toBe(false)
  })

  test('leaves what is shorter than asked as it is, which opens like any other', () => {
    const keyring = Keyring.parse(`k1:${key()}`)
    const [asItIs, packed] = [keyring.seal(long, 'b', 600), keyring.seal(long, 'b', 500)]
    expect(asItIs.length).toBeGreaterThan(JSON.stringify(long).length)
    expect(packed.length).toBeLessThan(asItIs.length / 2)
    expect({ asItIs: keyring.open(asItIs, 'b'), packed: keyring.open(packed, 'b') }).toEqual({
      asItIs: long,
      packed: long,
    })
  })

  test('makes long records shorter', () => {
    const keyring = Keyring.parse(`k1:${key()}`)
    const record = {
      users: Array.from({ length: 50 }, (_, index) => ({ id: index, email: `user${index}@example.com` })),
    }
    expect(keyring.seal(record, 'b').length).toBeLessThan(JSON.stringify(record).length / 2)
  })

  test.each([
    ['short', 'abc'],
    ['long', long],
  ])('a %s blob opens at no other record or field', (_, value) => {
    const keyring = Keyring.parse(`k1:${key()}`)
    const sealed = keyring.seal(value, 'operation:1:secrets')
    for (const bound of ['operation:2:secrets', 'operation:1:result', '', 'deflated|operation:1:secrets'])
      expect(() => keyring.open(sealed, bound), bound).toThrow()
  })

  test.each([
    ['short', 'abc'],
    ['long', long],
  ])('a %s blob with any bit changed does not open', (_, value) => {
    const keyring = Keyring.parse(`k1:${key()}`)
    const sealed = keyring.seal(value, 'b')
    for (let at = 0; at < sealed.length; at += 1) {
      for (const bit of [1, 2, 128]) {
        const changed = Buffer.from(sealed)
        changed[at] = (changed[at] ?? 0) ^ bit
        expect(() => keyring.open(changed, 'b'), `byte ${at}`).toThrow()
      }
    }
  })

  test('a blob cut short or padded does not open', () => {
    const keyring = Keyring.parse(`k1:${key()}`)
    const sealed = keyring.seal(long, 'b')
    for (let length = 0; length < sealed.length; length += 1)
      expect(() => keyring.open(sealed.subarray(0, length), 'b'), `${length} bytes`).toThrow()
    expect(() => keyring.open(Buffer.concat([sealed, Buffer.alloc(1)]), 'b')).toThrow()
  })
})

describe('rotation', () => {
  const [old, next] = [key(), key()]

  test('the first key seals, all keys open, and a value sealed by an older key is recognized', () => {
    const before = Keyring.parse(`k1:${old}`).seal('value', 'b')
    const both = Keyring.parse(`k2:${next},k1:${old}`)
    const after = both.seal('value', 'b')
    expect({ before: both.open(before, 'b'), after: both.open(after, 'b') }).toEqual({
      before: 'value',
      after: 'value',
    })
    expect({ before: both.isOutdated(before, 'b'), after: both.isOutdated(after, 'b') }).toEqual({
      before: true,
      after: false,
    })
    expect(Keyring.parse(`k2:${next}`).open(after, 'b')).toBe('value')
  })

  test('a key that is gone is named by its id, and only by that', () => {
    const sealed = Keyring.parse(`k1:${old}`).seal('value', 'b')
    expect(() => Keyring.parse(`k2:${next}`).open(sealed, 'b')).toThrow(
      'sealed with key "k1", which is not in MUSTER_ENCRYPTION_KEYS',
    )
  })

  test('the same id over another key does not open', () => {
    expect(() => Keyring.parse(`k1:${next}`).open(Keyring.parse(`k1:${old}`).seal('value', 'b'), 'b')).toThrow()
  })

  test('whatever keeps a blob from opening is one error, which names the record and what to look at', () => {
    const sealed = Keyring.parse(`k1:${old}`).seal('value', 'operation:7:request')
    const ofNewerVersion = Buffer.concat([Buffer.from([9]), sealed.subarray(1)])
    const cases: [Keyring, Buffer, string][] = [
      [Keyring.parse(`k2:${next}`), sealed, 'not in MUSTER_ENCRYPTION_KEYS'],
      [Keyring.parse(`k1:${next}`), sealed, 'it is another key, or it is damaged'],
      [Keyring.parse(`k1:${old}`), sealed.subarray(0, -1), 'it is another key, or it is damaged'],
      [Keyring.parse(`k1:${old}`), ofNewerVersion, 'a format that this version of Muster reads'],
      [Keyring.parse(`k1:${old}`), Buffer.alloc(0), 'a format that this version of Muster reads'],
    ]
    for (const [keyring, blob, why] of cases) {
      const error = readOrUnreadable(() => keyring.open(blob, 'operation:7:request'))
      expect(error).toBeInstanceOf(UnreadableError)
      expect(error).toMatchObject({ record: 'operation:7:request', message: expect.stringContaining(why) })
    }
  })
})

describe('the list of keys', () => {
  test('is read with spaces, and in either alphabet of base64', () => {
    const bytes = Buffer.alloc(32, 0xfb)
    const sealed = Keyring.parse(` k-1.a:${bytes.toString('base64')} , k2:${key()}`).seal('value', 'b')
    expect(Keyring.parse(`k-1.a:${bytes.toString('base64url')}`).open(sealed, 'b')).toBe('value')
  })

  const secret = key()
  const hex = randomBytes(32).toString('hex')
  test.each([
    ['nothing', ''],
    ['a key without an id', secret],
    ['a key in hex without an id', hex],
    ['a key in hex', `k1:${hex}`],
    ['a key before its id', `${hex}:k1`],
    ['a key that is too short', `k1:${randomBytes(31).toString('base64')}`],
    ['a key that is too long', `k1:${randomBytes(33).toString('base64')}`],
    ['a key with a slip in it', `k1:${secret.slice(0, 20)}!${secret.slice(20)}`],
    ['something after the key', `k1:${secret}:more`],
    ['an id with a space', `k 1:${secret}`],
    ['an id that stands twice', `k1:${secret},k1:${key()}`],
    ['an empty entry', `k1:${secret},`],
  ])('%s is refused in words that quote none of it', (_, list) => {
    let message = ''
    try {
      Keyring.parse(list)
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError)
      message = (error as Error).message
    }
    expect(message).toMatch(/entry \d/)
    for (const part of list.split(/[,:]/).filter((text) => text.length > 4)) expect(message).not.toContain(part)
  })

  test('an empty ring is refused', () => expect(() => new Keyring([])).toThrow(RangeError))
})
