import { CHUNK_ROWS } from '@muster/domain/batch/record'
import { describe, expect, test } from 'vitest'
import { Chunk } from './chunk.ts'
import type { ValidatedRow } from './validate-rows.ts'

const rowOf = (value: Record<string, unknown>, problems: ValidatedRow['problems'] = []): ValidatedRow => ({
  row: { number: 1, line: 1, columns: undefined, value, problems: [] },
  problems,
})
const hash = (...parts: string[]): string => JSON.stringify(parts)
const filled = (maxBytes: number, rows: readonly ValidatedRow[]): Chunk => {
  const chunk = new Chunk(maxBytes)
  for (const row of rows) chunk.add(row)
  return chunk
}

describe('a chunk', () => {
  test('is full at its number of rows', () => {
    const rows = Array.from({ length: CHUNK_ROWS }, (_, index) => rowOf({ index }))
    expect(filled(Infinity, rows.slice(1)).isFull()).toBe(false)
    expect(filled(Infinity, rows).isFull()).toBe(true)
  })

  test('is full at its bytes', () => {
    const large = rowOf({ text: 'x'.repeat(600) })
    expect(filled(1_000, [large]).isFull()).toBe(false)
    expect(filled(1_000, [large, large]).isFull()).toBe(true)
  })

  test('has the digest of what was sent, whatever came of it, and of all chunks before it', () => {
    const refused = { pointer: '', code: 'not_found', detail: 'gone' }
    const digest = filled(Infinity, [rowOf({ a: 1 }), rowOf({ a: 2 })]).digestAfter('before', hash)
    expect(filled(Infinity, [rowOf({ a: 1 }, [refused]), rowOf({ a: 2 })]).digestAfter('before', hash)).toBe(digest)
    expect(filled(Infinity, [rowOf({ a: 2 }), rowOf({ a: 1 })]).digestAfter('before', hash)).not.toBe(digest)
    expect(filled(Infinity, [rowOf({ a: 1 }), rowOf({ a: 2 })]).digestAfter('other', hash)).not.toBe(digest)
  })
})
