import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseQuery } from './query.ts'

describe('parseQuery', () => {
  test.each([
    ['a=1&b=2', { a: '1', b: '2' }],
    ['a[]=1&a[]=2', { a: ['1', '2'] }],
    ['a[1]=y&a[0]=x', { a: ['x', 'y'] }],
    ['a=1&a=2', { a: ['1', '2'] }],
    ['a%5Bb%5D%5Bc%5D=1', { a: { b: { c: '1' } } }],
    ['a[b][]=1&a[b][]=2', { a: { b: ['1', '2'] } }],
    ['a=x+y%2Bz', { a: 'x y+z' }],
    ['a', { a: '' }],
    ['&&a=1&', { a: '1' }],
    ['a[toString]=1', { a: { toString: '1' } }],
    ['', {}],
  ])('%s', (text, value) => {
    expect(parseQuery(text)).toEqual({ value, problems: [] })
  })

  test.each([
    ['__proto__=1', 'forbidden_name'],
    ['__proto__[a]=1', 'forbidden_name'],
    ['a[__proto__][b]=1', 'forbidden_name'],
    ['a%5B__proto__%5D=1', 'forbidden_name'],
    ['a[constructor][prototype]=1', 'forbidden_name'],
    ['a[b][c][d][e][f][g]=1', 'too_much'],
    ['a=1&'.repeat(201), 'too_much'],
    ['a[]=1&'.repeat(101), 'too_much'],
    ['a[100000000]=1', 'too_much'],
    ['a=%zz', 'malformed_encoding'],
    ['a=%ff', 'malformed_encoding'],
    ['%c3%28=1', 'malformed_encoding'],
    ['a=%00', 'invalid_text'],
  ])('%.40s is a problem and gives no value', (text, code) => {
    const { value, problems } = parseQuery(text)
    expect(value).toEqual({})
    expect(problems[0]?.code).toBe(code)
  })

  test('never throws, and never touches a prototype', () => {
    const text = fc
      .array(
        fc.oneof(
          fc.string({ unit: 'binary-ascii' }),
          fc.constantFrom('[', ']', '[]', '=', '&', '%', '__proto__', 'constructor', 'a', '1'),
        ),
        { maxLength: 20 },
      )
      .map((parts) => parts.join(''))
    fc.assert(
      fc.property(text, (query) => {
        expect(Object.getPrototypeOf(parseQuery(query).value)).toBe(Object.prototype)
        expect(Object.keys(Object.prototype)).toEqual([])
      }),
    )
  })
})
