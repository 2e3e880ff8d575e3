import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { constants, createGunzip, createGzip } from 'node:zlib'

/**
 * An upload that is read twice: once to validate every row, once to accept them. On disk, compressed, and encrypted
 * with a key that only this process has: uploads hold people and passwords, and what a crash leaves of them must be
 * unreadable.
 */
export class Spool {
  /** The bytes as they come, while they are written to disk. */
  readonly first = new PassThrough()
  readonly #folder: string
  readonly #file: string
  readonly #key = randomBytes(32)
  readonly #iv = randomBytes(16)
  readonly #toDisk = new PassThrough()
  readonly #stop = new AbortController()
  readonly #written: Promise<void>
  readonly #passed: Promise<void>

  static async open(source: AsyncIterable<Uint8Array>): Promise<Spool> {
    return new Spool(await mkdtemp(join(tmpdir(), 'muster-upload-')), source)
  }

  private constructor(folder: string, source: AsyncIterable<Uint8Array>) {
    this.#folder = folder
    this.#file = join(folder, 'rows')
    this.#written = this.#write()
    this.#passed = pipeline(source, (bytes: AsyncIterable<Uint8Array>) => this.#pass(bytes), this.first)
    // The disk is full, or the reader has stopped: without this, each side would wait for the other for ever.
    this.#written.catch((error: unknown) => {
      this.#stop.abort()
      this.first.destroy(error as Error)
    })
    this.#passed.catch(() => this.#toDisk.destroy())
  }

  /** The same bytes again, once `first` has been read to its end. */
  async again(): Promise<Readable> {
    await Promise.all([this.#passed, this.#written])
    return createReadStream(this.#file)
      .pipe(createDecipheriv('aes-256-ctr', this.#key, this.#iv))
      .pipe(createGunzip())
  }

  async remove(): Promise<void> {
    this.#stop.abort()
    this.first.destroy()
    this.#toDisk.destroy()
    // `#passed` is not awaited: it may wait for a client that sends nothing more.
    await this.#written.catch(() => undefined)
    await rm(this.#folder, { recursive: true, force: true })
  }

  #write(): Promise<void> {
    return pipeline(
      this.#toDisk,
      createGzip({ level: constants.Z_BEST_SPEED }),
      createCipheriv('aes-256-ctr', this.#key, this.#iv),
      createWriteStream(this.#file, { mode: 0o600 }),
    )
  }

  /** The reader of `first` sets the speed for both. */
  async *#pass(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const piece of bytes) {
      if (!this.#toDisk.write(piece)) await once(this.#toDisk, 'drain', { signal: this.#stop.signal })
      yield piece
    }
    this.#toDisk.end()
  }
}
