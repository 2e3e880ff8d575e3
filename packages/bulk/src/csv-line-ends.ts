const QUOTE = 34
const NEWLINE = 10
const RETURN = 13

/**
 * Lines that end in a carriage return alone, as old programs write them, made to end in a line feed. A file ends all
 * its lines as it ends the first; where that is not a carriage return alone, nothing changes.
 */
export function createLineEnds(): { write(bytes: Buffer): Buffer; end(): Buffer } {
  let endsInReturn: boolean | undefined
  let isQuoted = false
  /** A carriage return at the end of a piece: the next byte decides what it is. */
  let held = Buffer.alloc(0)

  /** Undefined as long as no line has ended. */
  function look(bytes: Buffer): boolean | undefined {
    for (const [index, byte] of bytes.entries()) {
      if (byte === QUOTE) isQuoted = !isQuoted
      if (!isQuoted && (byte === NEWLINE || byte === RETURN)) return byte === RETURN && bytes[index + 1] !== NEWLINE
    }
    return undefined
  }

  function toLineFeeds(bytes: Buffer): Buffer {
    const changed = Buffer.from(bytes)
    for (let at = changed.indexOf(RETURN); at >= 0; at = changed.indexOf(RETURN, at + 1))
      if (changed[at + 1] !== NEWLINE) changed[at] = NEWLINE
    return changed
  }

  function flush(whole: Buffer): Buffer {
    const flushed = held.length === 0 ? whole : Buffer.concat([whole, held])
    held = Buffer.alloc(0)
    return flushed
  }

  return {
    write(bytes) {
      if (endsInReturn === false) return bytes
      const all = held.length === 0 ? bytes : Buffer.concat([held, bytes])
      const whole = all.at(-1) === RETURN ? all.subarray(0, -1) : all
      held = Buffer.from(all.subarray(whole.length))
      endsInReturn ??= look(whole)
      if (endsInReturn === false) return flush(whole)
      return endsInReturn ? toLineFeeds(whole) : whole
    },
    end() {
      return endsInReturn ? toLineFeeds(held) : held
    },
  }
}
