import { createAccessTokens, type AccessTokens } from './access-tokens.ts'
import { createAccounts, type Accounts } from './accounts.ts'
import { eraseOperation } from './erase-operation.ts'
import { loadHasher, type Hasher } from './hash-key.ts'
import type { Keyring } from './keyring.ts'
import type { OperationRecord } from './operation-record.ts'
import { createOperations, type Operations } from './operations.ts'
import type { Redis } from './redis.ts'
import { createTenants, type Tenants } from './tenants.ts'

export interface Store {
  accessTokens: AccessTokens
  accounts: Accounts
  operations: Operations
  tenants: Tenants
  /** Takes the person out of an operation that has ended; undefined when somebody wrote it meanwhile. */
  eraseOperation(record: OperationRecord, now: number): Promise<OperationRecord | undefined>
  /** Loaded at the first use, so that a process can start while Redis is away. */
  hasher(): Promise<Hasher>
}

export interface StoreOptions {
  redis: Redis
  keyring: Keyring
  retentionMs: number
  waitReplicas: number
}

export function openStore({ redis, keyring, retentionMs, waitReplicas }: StoreOptions): Store {
  let hasher: Promise<Hasher> | undefined
  return {
    accessTokens: createAccessTokens({ redis, keyring }),
    accounts: createAccounts({ redis, keyring }),
    operations: createOperations({ redis, keyring, retentionMs, waitReplicas }),
    tenants: createTenants({ redis }),
    eraseOperation: (record, now) => eraseOperation(redis, record, now),
    hasher: () =>
      (hasher ??= loadHasher(redis, keyring).catch((error: unknown) => {
        hasher = undefined
        throw error
      })),
  }
}
