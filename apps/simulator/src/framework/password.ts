import { createHash } from 'node:crypto'

/** All that is kept of a password: enough for a test to see that the right one arrived, and never the value. */
export interface PasswordRecord {
  readonly has_password: boolean
  readonly password_sha256: string | null
}

export function describePassword(password: string | undefined): PasswordRecord {
  return {
    has_password: password !== undefined,
    password_sha256: password === undefined ? null : createHash('sha256').update(password).digest('hex'),
  }
}
