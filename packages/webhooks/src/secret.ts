import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto'

const SECRET_PREFIX = 'whsec_'
const PRIVATE_PREFIX = 'whsk_'
const PUBLIC_PREFIX = 'whpk_'

/** Standard Webhooks, "Signature scheme": 24 bytes at least, 64 at most. */
const SECRET_BYTES = { least: 24, made: 32, most: 64 }
const SEED_BYTES = 32
const PUBLIC_BYTES = 32

/**
 * RFC 8410: what stands before the 32 bytes of an ed25519 key in DER. Node takes and gives raw keys only so, or as a
 * JWK.
 */
const PRIVATE_DER = Buffer.from('302e020100300506032b657004220420', 'hex')
const PUBLIC_DER = Buffer.from('302a300506032b6570032100', 'hex')

/** Both in the notation of Standard Webhooks; the receiver is given the public one. */
export interface SigningKey {
  privateKey: string
  publicKey: string
}

/** What a secret signs with: HMAC-SHA256 (`v1`) or ed25519 (`v1a`). */
export type ParsedSecret =
  { scheme: 'v1'; text: string } | { scheme: 'v1a'; privateKey: KeyObject; publicKey: KeyObject }

/** The text is not a valid secret. The message says why, and quotes nothing of it. */
export class InvalidSecretError extends Error {
  override readonly name = 'InvalidSecretError'
  readonly code = 'invalid_secret'
}

/** A new shared secret: `whsec_` and base64 of 32 random bytes. */
export function createSecret(): string {
  return SECRET_PREFIX + randomBytes(SECRET_BYTES.made).toString('base64')
}

/**
 * A new ed25519 pair. The specification says only "base64"; the private half is written as libsodium and the Svix
 * server have it, the seed with the public key behind it (64 bytes), so that keys can be moved there and back.
 */
export function createSigningKey(): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const seed = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-SEED_BYTES)
  const open = rawPublicKey(publicKey)
  return {
    privateKey: PRIVATE_PREFIX + Buffer.concat([seed, open]).toString('base64'),
    publicKey: PUBLIC_PREFIX + open.toString('base64'),
  }
}

/**
 * Reads `whsec_…` or `whsk_…` (a seed of 32 bytes, or 64 with the public key behind it); throws `InvalidSecretError`.
 */
export function parseSecret(text: string): ParsedSecret {
  if (text.startsWith(SECRET_PREFIX)) {
    const { length } = decode(text, SECRET_PREFIX)
    if (length < SECRET_BYTES.least || length > SECRET_BYTES.most)
      throw new InvalidSecretError(`must hold ${SECRET_BYTES.least} to ${SECRET_BYTES.most} bytes, and holds ${length}`)
    return { scheme: 'v1', text }
  }
  if (!text.startsWith(PRIVATE_PREFIX))
    throw new InvalidSecretError(`must begin with ${SECRET_PREFIX} or ${PRIVATE_PREFIX}`)
  const bytes = decode(text, PRIVATE_PREFIX)
  if (bytes.length !== SEED_BYTES && bytes.length !== SEED_BYTES + PUBLIC_BYTES)
    throw new InvalidSecretError(
      `must hold ${SEED_BYTES} or ${SEED_BYTES + PUBLIC_BYTES} bytes, and holds ${bytes.length}`,
    )
  const privateKey = createPrivateKey({
    key: Buffer.concat([PRIVATE_DER, bytes.subarray(0, SEED_BYTES)]),
    format: 'der',
    type: 'pkcs8',
  })
  const publicKey = createPublicKey(privateKey)
  // A receiver that was given the other half would refuse every message.
  if (bytes.length > SEED_BYTES && !bytes.subarray(SEED_BYTES).equals(rawPublicKey(publicKey)))
    throw new InvalidSecretError('must hold a private key and the public key that belongs to it')
  return { scheme: 'v1a', privateKey, publicKey }
}

/** Why a text is not a valid secret, or undefined when it is. */
export function checkSecret(text: string): string | undefined {
  try {
    parseSecret(text)
    return undefined
  } catch (error) {
    if (error instanceof InvalidSecretError) return error.message
    throw error
  }
}

/** The `whpk_…` that a receiver checks with, or undefined for a shared secret, which has no half to show. */
export function publicKeyOf(secret: string): string | undefined {
  const parsed = parseSecret(secret)
  return parsed.scheme === 'v1a' ? PUBLIC_PREFIX + rawPublicKey(parsed.publicKey).toString('base64') : undefined
}

/** Reads `whpk_…`; throws `InvalidSecretError`. */
export function parsePublicKey(text: string): KeyObject {
  if (!text.startsWith(PUBLIC_PREFIX)) throw new InvalidSecretError(`must begin with ${PUBLIC_PREFIX}`)
  const bytes = decode(text, PUBLIC_PREFIX)
  if (bytes.length !== PUBLIC_BYTES)
    throw new InvalidSecretError(`must hold ${PUBLIC_BYTES} bytes, and holds ${bytes.length}`)
  return createPublicKey({ key: Buffer.concat([PUBLIC_DER, bytes]), format: 'der', type: 'spki' })
}

function rawPublicKey(key: KeyObject): Buffer {
  return key.export({ format: 'der', type: 'spki' }).subarray(-PUBLIC_BYTES)
}

/** Node reads over what is not base64, and would sign with other bytes than a stricter receiver. */
function decode(text: string, prefix: string): Buffer {
  const encoded = text.slice(prefix.length)
  const bytes = Buffer.from(encoded, 'base64')
  if (bytes.toString('base64') !== encoded) throw new InvalidSecretError(`must be base64 after ${prefix}`)
  return bytes
}
