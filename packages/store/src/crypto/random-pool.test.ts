import { expect, test } from 'vitest'
import { takeRandomBytes } from './random-pool.ts'

test('nothing is handed out twice, over the end of the pool too, and what was handed out does not change', () => {
  const taken = Array.from({ length: 3_000 }, (_, index) => takeRandomBytes(index % 2 === 0 ? 12 : 32))
  const texts = taken.map((bytes) => bytes.toString('hex'))
  expect(new Set(texts).size).toBe(3_000)
  expect(taken.every((bytes, index) => bytes.length === (index % 2 === 0 ? 12 : 32))).toBe(true)
  takeRandomBytes(4_000)
  expect(taken.map((bytes) => bytes.toString('hex'))).toEqual(texts)
  // All zeros would be what was wiped.
  expect(texts.some((text) => /^(00)+$/.test(text))).toBe(false)
})
