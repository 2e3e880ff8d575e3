import { expire, isExpired } from '@muster/store/operation-state'
import { StaleVersionError } from '@muster/store/operations'
import type { Store } from '@muster/store/store'

const CHUNK = 200

/** Ends operations whose time is up while they wait: in a lane that is not open, since its account is on hold, nothing else would. */
export async function expireOperations(store: Store, accountId: string, now: number): Promise<number> {
  let count = 0
  for (const operationId of await store.operations.dueForExpiry(accountId, now, CHUNK)) {
    const record = await store.operations.read(accountId, operationId)
    if (!record || !isExpired(record.state, now)) continue
    try {
      await store.operations.save(record, expire(record.state, now))
      count += 1
    } catch (error) {
      // An attempt began meanwhile: it decides.
      if (!(error instanceof StaleVersionError)) throw error
    }
  }
  return count
}
