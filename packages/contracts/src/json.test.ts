import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isJsonObject, mergeJson, type JsonObject } from './json.ts'

const parsed = (text: string): JsonObject => JSON.parse(text) as JsonObject
const hostileKey = fc.oneof(fc.constantFrom('__proto__', 'constructor', 'prototype', 'toString', 'a', 'b'), fc.string())
const jsonObject = fc
  .uniqueArray(
    fc.tuple(
      hostileKey,
      fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 1 }))),
    ),
    { maxLength: 6, selector: ([key]) => key },
  )
  .map((entries) => parsed(JSON.stringify(Object.fromEntries(entries))))

describe('merging JSON', () => {
  test('never touches a prototype, whatever the keys', () => {
    const before = Object.getOwnPropertyNames(Object.prototype).join()
    fc.assert(
      fc.property(jsonObject, jsonObject, (base, patch) => {
        const merged = mergeJson(base, patch)
        expect(Object.getPrototypeOf(merged)).toBe(Object.prototype)
        expect(new Set(Object.keys(merged))).toEqual(new Set([...Object.keys(base), ...Object.keys(patch)]))
      }),
    )
    mergeJson({}, parsed('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}'))
    expect(Object.getOwnPropertyNames(Object.prototype).join()).toBe(before)
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })

  test('the patch wins, objects merge, and neither input changes', () => {
    const base = { keep: 1, list: [1, 2], deep: { a: 1, b: { c: 2 } }, was: { object: true } }
    const patch = { list: [3], deep: { b: { d: 3 } }, was: 'text', new: null }
    const copies = [structuredClone(base), structuredClone(patch)]
    expect(mergeJson(base, patch)).toEqual({
      keep: 1,
      list: [3],
      deep: { a: 1, b: { c: 2, d: 3 } },
      was: 'text',
      new: null,
    })
    expect([base, patch]).toEqual(copies)
  })

  test('merging a second time changes nothing', () => {
    fc.assert(
      fc.property(jsonObject, jsonObject, (base, patch) => {
        const merged = mergeJson(base, patch)
        expect(isDeepStrictEqual(mergeJson(merged, patch), merged)).toBe(true)
        expect(isDeepStrictEqual(mergeJson(base, {}), base)).toBe(true)
      }),
    )
  })

  test('an array and null are no objects', () => {
    expect([{}, [], null, 'text', 7].map(isJsonObject)).toEqual([true, false, false, false, false])
  })
})
