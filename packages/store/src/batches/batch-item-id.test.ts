import fc from 'fast-check'
import { validate, version } from 'uuid'
import { expect, test } from 'vitest'
import { batchIdOf, createBatchId, itemIdOf, MAX_ROW, rowOf } from './batch-item-id.ts'

test('an id names its batch and its row, is a UUIDv7 like any other, and sorts by row', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 2 ** 47 }),
      fc.integer({ min: 1, max: MAX_ROW }),
      fc.integer({ min: 1, max: MAX_ROW }),
      (at, row, other) => {
        const batch = createBatchId(at)
        const item = itemIdOf(batch, row)
        expect(item).toHaveLength(36)
        expect({ valid: validate(item), version: version(item), time: item.slice(0, 13) }).toEqual({
          valid: true,
          version: 7,
          time: batch.slice(0, 13),
        })
        expect({ ofItem: batchIdOf(item), ofBatch: batchIdOf(batch), row: rowOf(item) }).toEqual({
          ofItem: batch,
          ofBatch: batch,
          row,
        })
        expect(item < itemIdOf(batch, other)).toBe(row < other)
        expect(item < batch).toBe(true)
      },
    ),
  )
})

test('a row that does not fit is refused instead of becoming another', () => {
  const batch = createBatchId(Date.now())
  for (const row of [0, -1, 1.5, MAX_ROW + 1, NaN]) expect(() => itemIdOf(batch, row)).toThrow(RangeError)
})

test('two batches of one moment have different ids', () => {
  const ids = new Set(Array.from({ length: 1_000 }, () => createBatchId(1_000)))
  expect(ids.size).toBe(1_000)
})
