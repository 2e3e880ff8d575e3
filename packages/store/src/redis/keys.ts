import { eventSourceText, type EventSourceRef } from '@muster/domain/event'
import { endpointLane, type LaneId } from '@muster/domain/lane-id'
import { createHash } from 'node:crypto'

/**
 * Every key of Muster. Keys of one account share the hash tag `{account id}`, so that its scripts run on one node of a
 * Redis Cluster. BullMQ's keys of the account's lane live under the same tag (packages/lanes).
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
  /** Hash: bytes of what is not finished, and how often that has changed. */
  openWork: (accountId: string) => `muster:{${accountId}}:open-work`,
  /** Zset of what the lane has still to hear of, most urgent first. */
  outbox: (laneId: LaneId) => `muster:{${laneId}}:outbox`,
  idempotency: (accountId: string, keyHash: string) => `muster:{${accountId}}:idempotency:${keyHash}`,
  /** Hash: which unfinished operation is creating this login. */
  liveLogins: (accountId: string) => `muster:{${accountId}}:live-logins`,
  /** Zset of the batches that have work for the account, oldest first. */
  accountBatches: (accountId: string) => `muster:{${accountId}}:batches`,
  /** Hash: how many operations of the batch are in which status at this account, and whether it is on hold. */
  batchCounts: (accountId: string, batchId: string) => `muster:{${accountId}}:batch:${batchId}`,
  /**
   * Zset of what the lane has not been given of the batch yet, by row, or by the time before which it must not start.
   */
  batchOutbox: (accountId: string, batchId: string) => `muster:{${accountId}}:batch-outbox:${batchId}`,
  batch: (batchId: string) => `muster:{${batchTag(batchId)}}:batch`,
  /** Sealed: the rows of one committed chunk. */
  batchChunk: (batchId: string, chunk: number) => `muster:{${batchTag(batchId)}}:chunk:${chunk}`,
  /** Zset of rows by the client's own ids, hashed: one member for each row. */
  batchReferenceRows: (batchId: string) => `muster:{${batchTag(batchId)}}:reference-rows`,
  /** Hash: the same as an earlier version wrote it, all rows of one id in one field. */
  batchReferences: (batchId: string) => `muster:{${batchTag(batchId)}}:references`,
  /** Hash: the accounts of the batch that its record has no room for, by their position. */
  batchAccounts: (batchId: string) => `muster:{${batchTag(batchId)}}:accounts`,
  /** Three bytes for each row: the position of its account. */
  batchRowAccounts: (batchId: string) => `muster:{${batchTag(batchId)}}:row-accounts`,
  /** Which request is uploading rows at the moment. */
  batchUpload: (batchId: string) => `muster:{${batchTag(batchId)}}:upload`,
  /**
   * Zset of what has happened and has not been handed to the webhook endpoints yet.
   */
  eventOutbox: (source: EventSourceRef) => `muster:{${eventSourceText(source)}}:event-outbox`,
  webhookEndpoint: (endpointId: string) => `muster:{${endpointLane(endpointId)}}:endpoint`,
  delivery: (endpointId: string, deliveryId: string) => `muster:{${endpointLane(endpointId)}}:delivery:${deliveryId}`,
  /** Zset of every delivery of the endpoint, sorted by id, and so by time. */
  deliveries: (endpointId: string) => `muster:{${endpointLane(endpointId)}}:deliveries`,
  /** Zset of those that are neither delivered nor failed. */
  pendingDeliveries: (endpointId: string) => `muster:{${endpointLane(endpointId)}}:pending-deliveries`,
  /** Which endpoint a delivery goes to. */
  deliveryLocator: (deliveryId: string) => `muster:delivery-locator:${deliveryId}`,
  /** Which account an operation belongs to. */
  locator: (operationId: string) => `muster:operation-locator:${operationId}`,
  accounts: 'muster:accounts',
  /** Set of the batches that have not come to an end. */
  openBatches: 'muster:open-batches',
  tenant: (tenantId: string) => `muster:tenant:${tenantId}`,
  tenantNames: 'muster:tenant-names',
  tenantAccounts: (tenantId: string) => `muster:tenant:${tenantId}:accounts`,
  tenantApiKeys: (tenantId: string) => `muster:tenant:${tenantId}:api-keys`,
  tenantBatches: (tenantId: string) => `muster:tenant:${tenantId}:batches`,
  tenantOpenBatches: (tenantId: string) => `muster:tenant:${tenantId}:open-batches`,
  batchIdempotency: (tenantId: string, keyHash: string) => `muster:tenant:${tenantId}:batch-idempotency:${keyHash}`,
  /** Those that test keys save are their own. */
  columnMappings: (tenantId: string, mode?: 'test') =>
    `muster:tenant:${tenantId}:column-mappings${mode ? `:${mode}` : ''}`,
  tenantWebhookEndpoints: (tenantId: string) => `muster:tenant:${tenantId}:webhook-endpoints`,
  /**
   * Apart from those that were registered: there is one for each host, and what happens is told to none of them unless
   * its request says so.
   */
  tenantCallbackEndpoints: (tenantId: string) => `muster:tenant:${tenantId}:callback-endpoints`,
  callbackSecret: (tenantId: string, mode?: 'test') =>
    `muster:tenant:${tenantId}:callback-secret${mode ? `:${mode}` : ''}`,
  /** Hash: unfinished operations of all accounts, as each was last reported, and what is being accepted. */
  tenantOpenWork: (tenantId: string) => `muster:tenant:${tenantId}:open-work`,
  tenantOperations: (tenantId: string) => `muster:tenant:${tenantId}:operations`,
  /** The client's own ids can be long, and can be e-mail addresses: not for the names of keys. */
  tenantReference: (tenantId: string, reference: string) =>
    `muster:tenant:${tenantId}:reference:${createHash('sha256').update(reference).digest('base64url').slice(0, 27)}`,
  apiKey: (keyHash: string) => `muster:api-key:${keyHash}`,
  hashKey: 'muster:hash-key',
  janitorLease: 'muster:janitor-lease',
} as const

/** The hash tag of a batch's keys. */
const batchTag = (batchId: string): string => eventSourceText({ kind: 'batch', id: batchId })

/**
 * Pub/sub channel that carries the source of events that wait to be handed to endpoints. A nudge only: the janitor
 * looks as well.
 */
export const EVENTS_CHANNEL = 'muster:events'
/** Pub/sub channel that carries the id of every operation that ends. A nudge only: whoever waits reads the record. */
export const FINISHED_CHANNEL = 'muster:operation-finished'
