/**
 * A record that does not open: sealed with a key that this process lacks, damaged, or written by a newer version. The
 * operator must act; nothing is wrong with the work, so what needs the record is held, and neither ended nor erased.
 * Made where blobs are opened (keyring.ts, record-codec.ts), and nowhere else.
 */
export class UnreadableError extends Error {
  override readonly name = 'UnreadableError'
  readonly code = 'record_unreadable'
  /** Names record and field as they were bound when sealed, such as `operation:<id>:request`. Holds nothing secret. */
  readonly record: string
  constructor(record: string, why: string, options?: ErrorOptions) {
    super(`${record} cannot be read: ${why}.`, options)
    this.record = record
  }
}

export type OnUnreadable = (error: UnreadableError) => void

/** Of a list read at once: nothing instead of the one that cannot be read, which is reported apart. */
export function readOrSkip<T>(read: () => T, onUnreadable: OnUnreadable): T | undefined {
  const value = readOrUnreadable(read)
  if (!(value instanceof UnreadableError)) return value
  onUnreadable(value)
  return undefined
}

/** The value, or the error that says why there is none. For lists and sweeps, which one such record must not stop. */
export function readOrUnreadable<T>(read: () => T): T | UnreadableError {
  try {
    return read()
  } catch (error) {
    if (error instanceof UnreadableError) return error
    throw error
  }
}
