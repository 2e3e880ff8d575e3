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
  /** The bytes as they come, while they are written to disk. */
  first: Readable
  /** The same again, once `first` has been read to its end. */
  again(): Promise<Readable>
  remove(): Promise<void>
}

/**
 * On disk, compressed, and encrypted with a key that only this process has: uploads hold people and passwords, and what
 * a crash leaves of them must be unreadable.
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
  // The reader of `first` sets the speed for both.
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
  // The disk is full, or the reader has stopped: without this, each side would wait for the other for ever.
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
      // `passed` is not awaited: it may wait for a client that sends nothing more.
      await written.catch(() => undefined)
      await rm(folder, { recursive: true, force: true })
    },
  }
}
