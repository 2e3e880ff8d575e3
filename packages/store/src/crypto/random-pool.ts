import { randomFillSync } from 'node:crypto'

/**
 * Asking the system for twelve bytes costs as much as asking for thousands, and each sealed blob needs three times a
 * few.
 */
const POOL_BYTES = 4_096
const pool = Buffer.allocUnsafeSlow(POOL_BYTES)
let used = POOL_BYTES

/** Random bytes for one caller: they leave the pool. */
export function takeRandomBytes(count: number): Buffer {
  if (used + count > POOL_BYTES) {
    randomFillSync(pool)
    used = 0
  }
  const taken = Buffer.from(pool.subarray(used, used + count))
  pool.fill(0, used, used + count)
  used += count
  return taken
}
