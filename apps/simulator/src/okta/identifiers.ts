import { randomBytes, randomInt } from 'node:crypto'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** Okta's ids have 20 characters and begin with their kind: 00u user, 00g group, oty user type, osc schema. */
export function createId(prefix: string): string {
  let id = prefix
  while (id.length < 20) id += ALPHABET[randomInt(ALPHABET.length)]
  return id
}

/** As recorded: "oae…", the handle that Okta's support asks for. */
export const createErrorId = (): string => `oae${randomBytes(18).toString('base64url').slice(0, 22)}`

export const createRequestId = (): string => randomBytes(16).toString('hex')

/** Recorded timestamps always end in .000Z: Okta keeps whole seconds, so a user can seem older than its request. */
export const toTimestamp = (epochMs: number): string => new Date(Math.floor(epochMs / 1000) * 1000).toISOString()
