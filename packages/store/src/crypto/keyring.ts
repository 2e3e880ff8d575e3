import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { takeRandomBytes } from './random-pool.ts'
import { SEALED_DICTIONARY_1 } from './sealed-dictionary.ts'
import { UnreadableError } from './unreadable.ts'

const VERSION = 1
const IV = 12
const TAG = 16
const KEY = 32
/** Nothing so short gets shorter. */
const COMPRESS_FROM = 32
/** With more, the window of the small deflate no longer holds the dictionary, nor does it matter any more. */
const DICTIONARY_UP_TO = 4_096
/**
 * As small as the dictionary lets it be: zlib's own would be set up again, 256 KB and 16 KB for the answer each time,
 * for a few hundred bytes.
 */
const SMALL = { dictionary: SEALED_DICTIONARY_1, windowBits: 14, memLevel: 5, chunkSize: 1_024 }

/** How the plaintext was packed: the byte that says so, and the word for it that is bound in. */
const PLAIN = 0
const DEFLATED = 1
const DEFLATED_WITH_DICTIONARY_1 = 2
const words: Record<number, string> = {
  [PLAIN]: '',
  [DEFLATED]: 'deflated|',
  [DEFLATED_WITH_DICTIONARY_1]: 'deflated-1|',
}

function pack(plaintext: Buffer, packFrom: number): { packing: number; packed: Buffer } {
  if (plaintext.length < packFrom) return { packing: PLAIN, packed: plaintext }
  if (plaintext.length > DICTIONARY_UP_TO) return { packing: DEFLATED, packed: deflateRawSync(plaintext) }
  const packed = deflateRawSync(plaintext, SMALL)
  return packed.length < plaintext.length
    ? { packing: DEFLATED_WITH_DICTIONARY_1, packed }
    : { packing: PLAIN, packed: plaintext }
}

function unpack(packing: number, packed: Buffer): Buffer {
  if (packing === PLAIN) return packed
  return packing === DEFLATED ? inflateRawSync(packed) : inflateRawSync(packed, SMALL)
}

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
 * Envelope encryption: each blob has a data key of its own, wrapped by the newest key of the ring; its id is written
 *   in front.
 * Both layers are bound to the record and field they belong to, so a blob copied to another place does not open.
 *
 * Layout: version, length of key id, key id, wrapped data key (iv, key, tag), how it is packed, iv, ciphertext, tag.
 * How it is packed is bound in too, so that no byte can be changed.
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

  /**
   * `id:base64,id:base64`; the first seals, all open. Throws a `RangeError` that quotes nothing, since what stands in
   * the id's place may be the key.
   */
  static parse(text: string): Keyring {
    const seen = new Set<string>()
    const keys = text.split(',').map((entry, index) => {
      const [, id, encoded] = /^([\w.-]{1,64}):(.*)$/.exec(entry.trim()) ?? []
      if (id === undefined || encoded === undefined)
        throw new RangeError(`entry ${index + 1} does not begin with an id and a colon`)
      const key = Buffer.from(encoded, 'base64')
      // Node decodes what it can and drops the rest: a key with a slip in it would be another key.
      if (
        key.length !== KEY ||
        key.toString('base64').replace('=', '') !== encoded.replaceAll('-', '+').replaceAll('_', '/').replace(/=$/, '')
      )
        throw new RangeError(`the key of entry ${index + 1} is not 32 bytes in base64`)
      if (seen.has(id)) throw new RangeError(`the id of entry ${index + 1} stands twice`)
      seen.add(id)
      return { id, key }
    })
    return new Keyring(keys)
  }

  /**
   * @param bound names the record and the field, such as `operation:<id>:secrets`.
   * @param packFrom bytes: what is shorter is sealed as it is, since deflating takes longer than all the rest
   */
  seal(value: unknown, bound: string, packFrom = COMPRESS_FROM): Buffer {
    const plaintext = Buffer.from(JSON.stringify(value))
    const { packing, packed } = pack(plaintext, packFrom)
    const dataKey = takeRandomBytes(KEY)
    const { id, key } = this.#sealing
    return Buffer.concat([
      Buffer.from([VERSION, id.length]),
      Buffer.from(id),
      encrypt(key, dataKey, `key|${bound}`),
      Buffer.from([packing]),
      encrypt(dataKey, packed, `${words[packing] ?? ''}${bound}`),
    ])
  }

  /** @throws UnreadableError */
  open(blob: Buffer, bound: string): unknown {
    const { id, wrapped, packing, sealed } = split(blob, bound)
    return this.#openWith(id, bound, (key) => {
      const packed = decrypt(decrypt(key, wrapped, `key|${bound}`), sealed, `${words[packing] ?? ''}${bound}`)
      return JSON.parse(unpack(packing, packed).toString()) as unknown
    })
  }

  /**
   * For what lies by the hundred thousand: under a key derived for this record alone, without a data key beside it, so
   * 60 bytes shorter, and packed by the caller. Layout: length of key id, key id, iv, ciphertext, tag.
   */
  sealCompact(packed: Buffer, bound: string): Buffer {
    const { id, key } = this.#sealing
    return Buffer.concat([Buffer.from([id.length]), Buffer.from(id), encrypt(deriveKey(key, bound), packed, bound)])
  }

  /** @throws UnreadableError */
  openCompact(blob: Buffer, bound: string): Buffer {
    const { id, sealed } = splitCompact(blob, bound)
    return this.#openWith(id, bound, (key) => decrypt(deriveKey(key, bound), sealed, bound))
  }

  /** As `isOutdated`, of a compact one. */
  isCompactOutdated(blob: Buffer, bound: string): boolean {
    return splitCompact(blob, bound).id !== this.#sealing.id
  }

  #openWith<T>(id: string, bound: string, open: (key: Buffer) => T): T {
    const entry = this.#keys.get(id)
    if (!entry)
      throw new UnreadableError(bound, `sealed with key ${nameOf(id)}, which is not in MUSTER_ENCRYPTION_KEYS`)
    try {
      return open(entry.key)
    } catch (cause) {
      const why = `key ${nameOf(id)} of MUSTER_ENCRYPTION_KEYS does not open it, so it is another key, or it is damaged`
      throw new UnreadableError(bound, why, { cause })
    }
  }

  /** True when a key other than the newest sealed it. @throws UnreadableError where it is not a sealed blob */
  isOutdated(blob: Buffer, bound: string): boolean {
    return split(blob, bound).id !== this.#sealing.id
  }
}

/** A key of the ring wraps data keys as it is; of those derived from it none is used for anything but one record. */
const deriveKey = (key: Buffer, bound: string): Buffer => createHmac('sha256', key).update(`record|${bound}`).digest()

function splitCompact(blob: Buffer, bound: string): { id: string; sealed: Buffer } {
  const sealedAt = 1 + (blob[0] ?? 0)
  if (blob.length < sealedAt + IV + TAG) throw new UnreadableError(bound, 'it is damaged')
  return { id: blob.subarray(1, sealedAt).toString(), sealed: blob.subarray(sealedAt) }
}

/** Of a damaged blob, it may be anything. */
const nameOf = (id: string): string => (/^[\w.-]{1,64}$/.test(id) ? `"${id}"` : 'of no name')

function split(blob: Buffer, bound: string): { id: string; wrapped: Buffer; packing: number; sealed: Buffer } {
  const idLength = blob[1] ?? 0
  const wrappedAt = 2 + idLength
  const flagAt = wrappedAt + IV + KEY + TAG
  const packing = blob[flagAt] ?? -1
  if (blob[0] !== VERSION || blob.length < flagAt + 1 + IV + TAG || words[packing] === undefined)
    throw new UnreadableError(bound, 'it is not sealed in a format that this version of Muster reads, or damaged')
  return {
    id: blob.subarray(2, wrappedAt).toString(),
    wrapped: blob.subarray(wrappedAt, flagAt),
    packing,
    sealed: blob.subarray(flagAt + 1),
  }
}
