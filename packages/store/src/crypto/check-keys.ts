import { openHashKey } from './hash-key.ts'
import type { Keyring } from './keyring.ts'
import type { Redis } from '../redis/connect.ts'
import { UnreadableError } from './unreadable.ts'

const TRY_EVERY_MS = 500

/** The process has other keys than the Redis was used with. A `RangeError`, so that a program prints it and ends. */
class WrongKeysError extends RangeError {
  override readonly name = 'WrongKeysError'
}

/**
 * Whether the keys are those that the Redis was used with: they must open its hash key, which an empty Redis is given.
 * @throws WrongKeysError
 */
export async function checkKeys(redis: Redis, keyring: Keyring): Promise<void> {
  try {
    await openHashKey(redis, keyring)
  } catch (error) {
    if (!(error instanceof UnreadableError)) throw error
    throw new WrongKeysError(
      `MUSTER_ENCRYPTION_KEYS does not open what is stored in the Redis at REDIS_URL (${error.message}) ` +
        'Set the keys that this Redis was used with, or the REDIS_URL that belongs to these keys.',
    )
  }
}

/**
 * Resolves once the keys are known to fit, however long Redis is away; rejects when they do not.
 * @throws WrongKeysError
 */
export async function waitForKeys(check: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (error instanceof WrongKeysError) throw error
      await new Promise((resolve) => setTimeout(resolve, TRY_EVERY_MS).unref())
    }
  }
}

/** For readiness: why the process must not be given work; empty while Redis is away, which is reported apart. */
export async function whyKeysDoNotFit(check: () => Promise<void>): Promise<string[]> {
  return check().then(
    () => [],
    (error: unknown) => (error instanceof WrongKeysError ? [error.message] : []),
  )
}
