import { createHash } from 'node:crypto'

/** A password as the state shows it: never the value, and a digest by which a test sees that the right one arrived. */
export function describePassword(password: string | undefined) {
  return {
    has_password: password !== undefined,
    password_sha256: password === undefined ? null : createHash('sha256').update(password).digest('hex'),
  }
}
