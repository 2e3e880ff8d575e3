import { v7 as uuidv7 } from 'uuid'

/** What fits into the 20 bits of a row number, the last being the batch's own. */
export const MAX_ROW = 2 ** 20 - 2
const BATCH_ROW = 2 ** 20 - 1

/**
 * Ids of a batch and of its operations are one UUIDv7 (RFC 9562) with a row number in 20 of its random bits: 48 bits of
 * time, the upper 12 of the row, the lower 8, and 54 bits of chance. So a row that is sent again after a broken upload
 * is the same operation, and an operation needs no entry of its own that says where it lies. A batch has all of those
 * bits set.
 */
export const createBatchId = (at: number): string => withRow(uuidv7({ msecs: at }), BATCH_ROW)

/** @param row counted from 1. */
export function itemIdOf(batchId: string, row: number): string {
  if (!Number.isInteger(row) || row < 1 || row > MAX_ROW) throw new RangeError('a batch has no such row')
  return withRow(batchId, row)
}

/** The batch that an operation would belong to, if it belongs to one. */
export const batchIdOf = (operationId: string): string => withRow(operationId, BATCH_ROW)

export function rowOf(operationId: string): number {
  return (
    (parseInt(operationId.slice(15, 18), 16) << 8) | (((parseInt(operationId.slice(19, 23), 16) & 0x3fc0) >> 6) & 0xff)
  )
}

/** The 48 bits of time in the id, as it spells them: ids of one millisecond have the same. */
export const timeOf = (id: string): string => id.slice(0, 13)

/** The last row of the batch whose id comes before `id`, which is of the same millisecond. */
export function lastRowBelow(batchId: string, id: string): number {
  const row = rowOf(id)
  return withRow(batchId, row) < id ? row : row - 1
}

function withRow(id: string, row: number): string {
  const upper = (row >> 8).toString(16).padStart(3, '0')
  const lower = ((parseInt(id.slice(19, 23), 16) & 0xc03f) | ((row & 0xff) << 6)).toString(16).padStart(4, '0')
  return `${id.slice(0, 15)}${upper}-${lower}${id.slice(23)}`
}
