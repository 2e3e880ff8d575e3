import { expire, isExpired } from '@muster/domain/operation/state'
import { StaleVersionError } from '@muster/store/operations/operations'
import type { Store } from '@muster/store/store'
import { UnreadableError } from '@muster/store/crypto/unreadable'

const CHUNK = 200

/**
 * Ends operations whose time is up while they wait: in a lane that is not open, since its account is on hold, nothing
 * else would.
 */
export async function expireOperations(
  store: Store,
  accountId: string,
  now: number,
  onUnreadable: (error: UnreadableError) => void,
): Promise<number> {
  let count = 0
  // What is running or being looked up stays where it is in the index, and must not hide what comes after it.
  let passed = 0
  for (;;) {
    const due = await store.operations.dueForExpiry(accountId, now, { from: passed, count: CHUNK })
    for (const operationId of due) {
      const isGone = await expireOperation(store, accountId, operationId, now).catch((error: unknown) => {
        if (!(error instanceof UnreadableError)) throw error
        onUnreadable(error)
        return false
      })
      if (isGone) count += 1
      else passed += 1
    }
    if (due.length < CHUNK) return count
  }
}

async function expireOperation(store: Store, accountId: string, operationId: string, now: number): Promise<boolean> {
  const record = await store.operations.read(accountId, operationId)
  if (!record || !isExpired(record.state, now)) return false
  try {
    await store.operations.save(record, expire(record.state, now))
    return true
  } catch (error) {
    // An attempt began meanwhile: it decides.
    if (error instanceof StaleVersionError) return false
    throw error
  }
}
