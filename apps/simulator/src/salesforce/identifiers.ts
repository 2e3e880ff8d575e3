import { randomBytes, randomInt } from 'node:crypto'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const CHECK_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ012345'

const isId = (text: string): boolean => /^[0-9A-Za-z]{15}([0-9A-Z]{3})?$/.test(text)

/** The 18-character form: three characters more, each telling which of five are capitals. */
export function toLongId(id: string): string {
  const short = id.slice(0, 15)
  const checks = [0, 5, 10].map((start) => {
    const capitals = Array.from(short.slice(start, start + 5), (character, bit) =>
      /[A-Z]/.test(character) ? 1 << bit : 0,
    )
    return CHECK_ALPHABET[capitals.reduce((sum, bit) => sum + bit, 0)]
  })
  return short + checks.join('')
}

/** Undefined when it is not an id. Both forms name one record. */
export const normalizeId = (text: string): string | undefined => (isId(text) ? toLongId(text) : undefined)

/**
 * The prefix is the object's: 005 User, 00e Profile, 00E UserRole, 00D Organization; two letters of the instance
 * follow.
 */
export function createId(prefix: string): string {
  let id = `${prefix}dM00000`
  while (id.length < 15) id += ALPHABET[randomInt(ALPHABET.length)]
  return toLongId(id)
}

export const createRequestId = (): string => randomBytes(16).toString('hex')

/** No colon in the offset, and whole seconds (all recorded ones end in .000). */
export const toTimestamp = (epochMs: number): string =>
  new Date(Math.floor(epochMs / 1000) * 1000).toISOString().replace('Z', '+0000')
