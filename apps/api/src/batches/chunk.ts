import { CHUNK_ROWS } from '@muster/domain/batch/record'
import type { Hasher } from '@muster/store/crypto/hash-key'
import { cellBytes } from './batch-row.ts'
import type { ValidatedRow } from './validate-rows.ts'

/**
 * Rows that are accepted together. An upload that is sent again must give the same chunks and digests, so both depend
 * on what was sent and not on what came of it: an account may have been removed meanwhile.
 */
export class Chunk {
  readonly rows: ValidatedRow[] = []
  readonly #maxBytes: number
  readonly #sent: string[] = []
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  add(validated: ValidatedRow): void {
    const { value, problems } = validated.row
    const text = JSON.stringify([value ?? null, problems])
    this.rows.push(validated)
    this.#sent.push(text)
    this.#bytes += text.length + cellBytes(validated)
  }

  isFull(): boolean {
    return this.rows.length >= CHUNK_ROWS || this.#bytes >= this.#maxBytes
  }

  /** Of all rows up to the end of this chunk. */
  digestAfter(before: string, hash: Hasher): string {
    return hash('batch-rows', before, `[${this.#sent.join(',')}]`)
  }
}
