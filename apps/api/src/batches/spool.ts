import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { constants, createGunzip, createGzip } from 'node:zlib'

/** An upload that has to be read twice: once to validate every row, once to accept them. */
export interface Spool {
  /** The bytes as they came, while they are written down. */
  first: Readable
  /** The same again, once `first` has been read to its end. */
  again(): Promise<Readable>
  remove(): Promise<void>
}

/**
 * On disk, packed, and encrypted with a key that lives in this process only: the upload is full of people and
 * passwords, and what is left of it after a crash is noise.
 */
export async function openSpool(source: AsyncIterable<Uint8Array>): Promise<Spool> {
  const folder = await mkdtemp(join(tmpdir(), 'muster-upload-'))
  const file = join(folder, 'rows')
  const [key, iv] = [randomBytes(32), randomBytes(16)]
  const first = new PassThrough()
  const toDisk = new PassThrough()
  const stop = new AbortController()
  const written = pipeline(
    toDisk,
    createGzip({ level: constants.Z_BEST_SPEED }),
    createCipheriv('aes-256-ctr', key, iv),
    createWriteStream(file, { mode: 0o600 }),
  )
  // Whoever reads `first` sets the speed for both.
  const passed = pipeline(
    source,
    async function* (bytes: AsyncIterable<Uint8Array>) {
      for await (const piece of bytes) {
        if (!toDisk.write(piece)) await once(toDisk, 'drain', { signal: stop.signal })
        yield piece
      }
      toDisk.end()
    },
    first,
  )
  // A disk that is full, or a reader that has had enough: whoever waits for the other to go on would wait for ever.
  written.catch((error: unknown) => {
    stop.abort()
    first.destroy(error as Error)
  })
  passed.catch(() => toDisk.destroy())
  return {
    first,
    async again() {
      await Promise.all([passed, written])
      return createReadStream(file)
        .pipe(createDecipheriv('aes-256-ctr', key, iv))
        .pipe(createGunzip())
    },
    async remove() {
      stop.abort()
      first.destroy()
      toDisk.destroy()
      // Not for `passed`: it may wait for a client that sends nothing more.
      await written.catch(() => undefined)
      await rm(folder, { recursive: true, force: true })
    },
  }
}
