import { createCipheriv, createDecipheriv } from 'node:crypto'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { takeRandomBytes } from './random-pool.ts'

const VERSION = 1
const IV = 12
const TAG = 16
const KEY = 32
/** Below this, deflate makes it longer. */
const COMPRESS_FROM = 128

interface KeyEncryptionKey {
  id: string
  key: Buffer
}

function encrypt(key: Buffer, plaintext: Buffer, bound: string): Buffer {
  const iv = takeRandomBytes(IV)
  const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: TAG })
  cipher.setAAD(Buffer.from(bound))
  return Buffer.concat([iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

function decrypt(key: Buffer, sealed: Buffer, bound: string): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, IV), { authTagLength: TAG })
  decipher.setAAD(Buffer.from(bound))
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG))
  return Buffer.concat([decipher.update(sealed.subarray(IV, sealed.length - TAG)), decipher.final()])
}

/**
 * Envelope encryption: each blob has a data key of its own, wrapped by the newest key of the ring; its id is written in front.
 * Both layers are bound to the record and field they belong to, so a blob copied to another place does not open.
 *
 * Layout: version, length of key id, key id, wrapped data key (iv, key, tag), 1 when deflated and else 0, iv, ciphertext, tag.
 * Whether it is deflated is bound in too, so that no byte can be changed.
 */
export class Keyring {
  readonly #keys: Map<string, KeyEncryptionKey>
  readonly #sealing: KeyEncryptionKey

  constructor(keys: readonly KeyEncryptionKey[]) {
    const [sealing] = keys
    if (!sealing) throw new RangeError('no encryption key')
    this.#sealing = sealing
    this.#keys = new Map(keys.map((entry) => [entry.id, entry]))
  }

  /** `id:base64,id:base64`; the first seals, all open. Throws a `RangeError` that quotes nothing, since what stands in the id's place may be the key. */
  static parse(text: string): Keyring {
    const seen = new Set<string>()
    const keys = text.split(',').map((entry, index) => {
      const [, id, encoded] = /^([\w.-]{1,64}):(.*)$/.exec(entry.trim()) ?? []
      if (id === undefined || encoded === undefined) throw new RangeError(`entry ${index + 1} does not begin with an id and a colon`)
      const key = Buffer.from(encoded, 'base64')
      // Node decodes what it can and drops the rest: a key with a slip in it would be another key.
      if (key.length !== KEY || key.toString('base64').replace('=', '') !== encoded.replaceAll('-', '+').replaceAll('_', '/').replace(/=$/, '')) throw new RangeError(`the key of entry ${index + 1} is not 32 bytes in base64`)
      if (seen.has(id)) throw new RangeError(`the id of entry ${index + 1} stands twice`)
      seen.add(id)
      return { id, key }
    })
    return new Keyring(keys)
  }

  /** @param bound names the record and the field, such as `operation:<id>:secrets`. */
  seal(value: unknown, bound: string): Buffer {
    const plaintext = Buffer.from(JSON.stringify(value))
    const isDeflated = plaintext.length >= COMPRESS_FROM
    const dataKey = takeRandomBytes(KEY)
    const { id, key } = this.#sealing
    return Buffer.concat([
      Buffer.from([VERSION, id.length]),
      Buffer.from(id),
      encrypt(key, dataKey, `key|${bound}`),
      Buffer.from([isDeflated ? 1 : 0]),
      encrypt(dataKey, isDeflated ? deflateRawSync(plaintext) : plaintext, isDeflated ? `deflated|${bound}` : bound),
    ])
  }

  open(blob: Buffer, bound: string): unknown {
    const { id, wrapped, isDeflated, sealed } = split(blob)
    const entry = this.#keys.get(id)
    if (!entry) throw new Error(`sealed with key "${id}", which is not in MUSTER_ENCRYPTION_KEYS`)
    const plaintext = decrypt(decrypt(entry.key, wrapped, `key|${bound}`), sealed, isDeflated ? `deflated|${bound}` : bound)
    return JSON.parse((isDeflated ? inflateRawSync(plaintext) : plaintext).toString()) as unknown
  }

  /** True when a key other than the newest sealed it. */
  isOutdated(blob: Buffer): boolean {
    return split(blob).id !== this.#sealing.id
  }
}

function split(blob: Buffer): { id: string; wrapped: Buffer; isDeflated: boolean; sealed: Buffer } {
  const idLength = blob[1] ?? 0
  const wrappedAt = 2 + idLength
  const flagAt = wrappedAt + IV + KEY + TAG
  const flag = blob[flagAt]
  if (blob[0] !== VERSION || blob.length < flagAt + 1 + IV + TAG || (flag !== 0 && flag !== 1)) throw new Error('not a sealed blob')
  return {
    id: blob.subarray(2, wrappedAt).toString(),
    wrapped: blob.subarray(wrappedAt, flagAt),
    isDeflated: flag === 1,
    sealed: blob.subarray(flagAt + 1),
  }
}
