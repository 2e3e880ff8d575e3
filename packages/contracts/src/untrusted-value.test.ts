import { describe, expect, test } from 'vitest'
import { checkValue } from './untrusted-value.ts'

const checkBody = (body: unknown) => checkValue(body, 'body')

const nested = (depth: number): unknown => JSON.parse('['.repeat(depth) + ']'.repeat(depth))

describe('checkBody', () => {
  test('lets honest bodies through', () => {
    expect(
      checkBody({
        first_name: 'Ada',
        emails: [{ email: 'ada@example.com', is_primary: true }],
        remote_data: { a: { b: [null, 1, '😀'] } },
      }),
    ).toEqual([])
    for (const body of [null, 7, 'x', [], {}, nested(20)]) expect(checkBody(body)).toEqual([])
  })

  test('names every forbidden name by its pointer, escaped', () => {
    const body: unknown = JSON.parse('{"a/b":{"__proto__":1},"c~d":[{"constructor":2}],"prototype":3}')
    expect(
      checkBody(body)
        .map(({ pointer }) => pointer)
        .sort(),
    ).toEqual(['/a~1b/__proto__', '/c~0d/0/constructor', '/prototype'])
  })

  test('survives what a recursive look would not', () => {
    expect(checkBody(nested(21))).toEqual([expect.objectContaining({ code: 'too_deep' })])
    expect(checkBody(nested(200_000))).toEqual([expect.objectContaining({ code: 'too_deep' })])
    expect(checkBody(Array.from({ length: 300_000 }, () => ({})))).toEqual([
      expect.objectContaining({ code: 'too_many' }),
    ])
  })

  test('finds NULs and halves of surrogate pairs, in values and in names', () => {
    expect(
      checkBody({ a: 'x\u0000', b: ['\ud83d'], '\udc00': 1, c: '\ud83d\ude00' })
        .map(({ code, pointer }) => [code, pointer])
        .sort(),
    ).toEqual(
      [
        ['invalid_text', '/a'],
        ['invalid_text', '/b/0'],
        ['invalid_text', '/\udc00'],
      ].sort(),
    )
  })
})
