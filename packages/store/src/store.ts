import { defaultLimits, type Limits } from '@muster/contracts/bounds'
import type { EventSourceRef } from '@muster/domain/event'
import type { LaneId } from '@muster/domain/lane-id'
import { createAccessTokens, type AccessTokens } from './accounts/access-tokens.ts'
import { createAccounts, type Accounts } from './accounts/accounts.ts'
import { rowOf } from './batches/batch-item-id.ts'
import { createBatches, type Batches } from './batches/batches.ts'
import { checkKeys } from './crypto/check-keys.ts'
import { createColumnMappings, type ColumnMappings } from './batches/column-mappings.ts'
import { createDeliveries, type Deliveries } from './webhooks/deliveries.ts'
import { dispatchEvents } from './webhooks/dispatch-events.ts'
import { eraseOperation } from './operations/erase-operation.ts'
import { loadHasher, type Hasher } from './crypto/hash-key.ts'
import type { Keyring } from './crypto/keyring.ts'
import { OpenWork } from './operations/open-work.ts'
import type { OperationRecord } from '@muster/domain/operation/record'
import { createOperations, type Operations } from './operations/operations.ts'
import type { Redis } from './redis/connect.ts'
import { createTenants, type Tenants } from './tenants/tenants.ts'
import { createWebhookEndpoints, type WebhookEndpoints } from './webhooks/webhook-endpoints.ts'

export interface Store {
  accessTokens: AccessTokens
  accounts: Accounts
  batches: Batches
  columnMappings: ColumnMappings
  deliveries: Deliveries
  openWork: OpenWork
  operations: Operations
  tenants: Tenants
  webhookEndpoints: WebhookEndpoints
  /** Hands what happened at a source to the webhook endpoints. */
  dispatchEvents(source: EventSourceRef, now: () => number, wake: (laneId: LaneId) => Promise<void>): Promise<void>
  /** Takes the person out of an operation that has ended; undefined when it was written meanwhile. */
  eraseOperation(record: OperationRecord, now: number): Promise<OperationRecord | undefined>
  /** Loaded at the first use, so that a process can start while Redis is away. */
  hasher(): Promise<Hasher>
  /** @throws WrongKeysError when the keys are not those that the Redis was used with */
  checkKeys(): Promise<void>
}

export interface StoreOptions {
  redis: Redis
  keyring: Keyring
  retentionMs: number
  waitReplicas: number
  /** What a tenant may store; the defaults of packages/contracts/src/bounds.ts without them. */
  limits?: Limits
}

export function openStore({ redis, keyring, retentionMs, waitReplicas, limits = defaultLimits }: StoreOptions): Store {
  let hasher: Promise<Hasher> | undefined
  const accounts = createAccounts({ redis, keyring, limits })
  const batches = createBatches({ redis, keyring, retentionMs, limits })
  const deliveries = createDeliveries({ redis, keyring, retentionMs, limits })
  const openWork = new OpenWork({ redis, retentionMs, limits })
  const operations = createOperations({ redis, openWork, keyring, retentionMs, waitReplicas })
  const webhookEndpoints = createWebhookEndpoints({ redis, keyring, limits })
  return {
    accessTokens: createAccessTokens({ redis, keyring }),
    accounts,
    batches,
    columnMappings: createColumnMappings({ redis, limits }),
    deliveries,
    openWork,
    operations,
    webhookEndpoints,
    dispatchEvents: (source, now, wake) =>
      dispatchEvents(
        {
          redis,
          endpoints: webhookEndpoints,
          deliveries,
          now,
          wake,
          readCallback: async ({ accountId, operationId, batchId }) => {
            if (accountId !== null && operationId !== null) return operations.readCallback(accountId, operationId)
            return batchId === undefined ? undefined : batches.readCallback(batchId)
          },
          readMode: async ({ accountId, batchId }) => {
            if (accountId !== null) return (await accounts.read(accountId))?.mode
            return batchId === undefined ? undefined : (await batches.read(batchId))?.mode
          },
        },
        source,
      ),
    tenants: createTenants({ redis, limits }),
    async eraseOperation(record, now) {
      const erased = await eraseOperation({ redis, keyring }, record, now)
      // The client's own cells of that row name the person too.
      if (erased && record.head.batchId !== null) await batches.eraseRow(record.head.batchId, rowOf(record.head.id))
      return erased
    },
    hasher: () =>
      (hasher ??= loadHasher(redis, keyring).catch((error: unknown) => {
        hasher = undefined
        throw error
      })),
    checkKeys: () => checkKeys(redis, keyring),
  }
}
