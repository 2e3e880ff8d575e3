import type { Keyring } from '../crypto/keyring.ts'
import type { Redis } from '../redis/connect.ts'
import { createAccept, type Acceptance, type NewOperation } from './accept.ts'
import { acceptRows } from './accept-rows.ts'
import { OpenWork } from './open-work.ts'
import { createOperationIndex } from './operation-index.ts'
import { createOperationReader } from './read-operations.ts'
import { createRecordCodec } from './record-codec.ts'
import { createSave } from './save.ts'

export { type Acceptance, type NewOperation } from './accept.ts'
export { StaleVersionError } from './save.ts'

const REPLICATION_TIMEOUT_MS = 1_000

export interface OperationsOptions {
  redis: Redis
  /** Without one, the defaults bound what a tenant may have. */
  openWork?: OpenWork
  keyring: Keyring
  /** How long a finished operation, its idempotency entry and its result are kept. */
  retentionMs: number
  /** Replicas that must have an acceptance before it is acknowledged (Redis WAIT); 0 where there are none. */
  waitReplicas: number
}

/** Fewer replicas than asked for took the write: it may be lost with the primary, so it is not acknowledged. */
export class NotReplicatedError extends Error {
  override readonly name = 'NotReplicatedError'
}

export type Operations = ReturnType<typeof createOperations>

/** The operation records: the truth about every create that was ever acknowledged. */
export function createOperations({
  redis,
  keyring,
  retentionMs,
  waitReplicas,
  openWork = new OpenWork({ redis, retentionMs }),
}: OperationsOptions) {
  const codec = createRecordCodec(keyring)
  const dependencies = { redis, keyring, codec, openWork, retentionMs }

  async function waitForReplicas(): Promise<void> {
    if (waitReplicas > 0 && (await redis.wait(waitReplicas, REPLICATION_TIMEOUT_MS)) < waitReplicas)
      throw new NotReplicatedError('WAIT: too few replicas took the write')
  }

  return {
    ...createOperationIndex({ redis, retentionMs }),
    ...createOperationReader({ redis, keyring, codec }),
    ...createSave(dependencies),
    accept: createAccept(dependencies, waitForReplicas),
    acceptMany: (operations: Iterable<NewOperation>): Promise<Acceptance[]> => acceptRows(dependencies, operations),
    waitForReplicas,
  }
}
