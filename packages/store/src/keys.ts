import { createHash } from 'node:crypto'

/**
 * Every key of Muster. Keys of one account share the hash tag `{account id}`, so that its scripts run on one node of a Redis Cluster.
 * BullMQ's keys of the account's lane live under the same tag (packages/lanes).
 */
export const keys = {
  account: (accountId: string) => `muster:{${accountId}}:account`,
  accessToken: (accountId: string) => `muster:{${accountId}}:access-token`,
  accessTokenLock: (accountId: string) => `muster:{${accountId}}:access-token-lock`,
  operation: (accountId: string, operationId: string) => `muster:{${accountId}}:operation:${operationId}`,
  /** Zset of every operation of the account, sorted by id, and so by time. */
  operations: (accountId: string) => `muster:{${accountId}}:operations`,
  /** Zset of the operations that are not finished, by expiry. */
  openOperations: (accountId: string) => `muster:{${accountId}}:open-operations`,
  /** Zset of what the lane has still to hear of, most urgent first. */
  outbox: (accountId: string) => `muster:{${accountId}}:outbox`,
  idempotency: (accountId: string, keyHash: string) => `muster:{${accountId}}:idempotency:${keyHash}`,
  /** Which unfinished operation is creating this login. */
  liveLogin: (accountId: string, naturalKeyHash: string) => `muster:{${accountId}}:live-login:${naturalKeyHash}`,
  /** Which account an operation belongs to. */
  locator: (operationId: string) => `muster:operation-locator:${operationId}`,
  accounts: 'muster:accounts',
  tenant: (tenantId: string) => `muster:tenant:${tenantId}`,
  tenantNames: 'muster:tenant-names',
  tenantAccounts: (tenantId: string) => `muster:tenant:${tenantId}:accounts`,
  tenantApiKeys: (tenantId: string) => `muster:tenant:${tenantId}:api-keys`,
  tenantOperations: (tenantId: string) => `muster:tenant:${tenantId}:operations`,
  /** The client's own ids can be long, and can be e-mail addresses: not for the names of keys. */
  tenantReference: (tenantId: string, reference: string) => `muster:tenant:${tenantId}:reference:${createHash('sha256').update(reference).digest('base64url').slice(0, 27)}`,
  apiKey: (keyHash: string) => `muster:api-key:${keyHash}`,
  hashKey: 'muster:hash-key',
  janitorLease: 'muster:janitor-lease',
} as const

/** Pub/sub channel that carries the id of every operation that ends. A nudge only: whoever waits reads the record. */
export const FINISHED_CHANNEL = 'muster:operation-finished'
