import { eventSourceText, type EventSourceRef } from '@muster/domain/event'
import { accountLane, endpointLane, type LaneId } from '@muster/domain/lane-id'
import { createHash } from 'node:crypto'

/**
 * Every key of Muster but those of lanes (packages/lanes); `keyTable` says what each holds. Keys of one account share
 * the hash tag `{account id}`, so that its scripts run on one node of a Redis Cluster. References are hashed: the
 * client's own ids can be long, and can be e-mail addresses.
 */
export const keys = {
  account: (accountId: string) => `muster:{${accountId}}:account`,
  accessToken: (accountId: string) => `muster:{${accountId}}:access-token`,
  accessTokenLock: (accountId: string) => `muster:{${accountId}}:access-token-lock`,
  operation: (accountId: string, operationId: string) => `muster:{${accountId}}:operation:${operationId}`,
  operations: (accountId: string) => `muster:{${accountId}}:operations`,
  openOperations: (accountId: string) => `muster:{${accountId}}:open-operations`,
  openWork: (accountId: string) => `muster:{${accountId}}:open-work`,
  outbox: (laneId: LaneId) => `muster:{${laneId}}:outbox`,
  idempotency: (accountId: string, keyHash: string) => `muster:{${accountId}}:idempotency:${keyHash}`,
  liveLogins: (accountId: string) => `muster:{${accountId}}:live-logins`,
  accountBatches: (accountId: string) => `muster:{${accountId}}:batches`,
  batchCounts: (accountId: string, batchId: string) => `muster:{${accountId}}:batch:${batchId}`,
  batchOutbox: (accountId: string, batchId: string) => `muster:{${accountId}}:batch-outbox:${batchId}`,
  batch: (batchId: string) => `muster:{${batchTag(batchId)}}:batch`,
  batchChunk: (batchId: string, chunk: number) => `muster:{${batchTag(batchId)}}:chunk:${chunk}`,
  batchReferenceRows: (batchId: string) => `muster:{${batchTag(batchId)}}:reference-rows`,
  batchReferences: (batchId: string) => `muster:{${batchTag(batchId)}}:references`,
  batchAccounts: (batchId: string) => `muster:{${batchTag(batchId)}}:accounts`,
  batchRowAccounts: (batchId: string) => `muster:{${batchTag(batchId)}}:row-accounts`,
  batchUpload: (batchId: string) => `muster:{${batchTag(batchId)}}:upload`,
  eventOutbox: (source: EventSourceRef) => `muster:{${eventSourceText(source)}}:event-outbox`,
  webhookEndpoint: (endpointId: string) => `muster:{${endpointLane(endpointId)}}:endpoint`,
  delivery: (endpointId: string, deliveryId: string) => `muster:{${endpointLane(endpointId)}}:delivery:${deliveryId}`,
  deliveries: (endpointId: string) => `muster:{${endpointLane(endpointId)}}:deliveries`,
  pendingDeliveries: (endpointId: string) => `muster:{${endpointLane(endpointId)}}:pending-deliveries`,
  deliveryLocator: (deliveryId: string) => `muster:delivery-locator:${deliveryId}`,
  locator: (operationId: string) => `muster:operation-locator:${operationId}`,
  accounts: 'muster:accounts',
  openBatches: 'muster:open-batches',
  tenant: (tenantId: string) => `muster:tenant:${tenantId}`,
  tenantNames: 'muster:tenant-names',
  tenantAccounts: (tenantId: string) => `muster:tenant:${tenantId}:accounts`,
  tenantApiKeys: (tenantId: string) => `muster:tenant:${tenantId}:api-keys`,
  tenantBatches: (tenantId: string) => `muster:tenant:${tenantId}:batches`,
  tenantOpenBatches: (tenantId: string) => `muster:tenant:${tenantId}:open-batches`,
  batchIdempotency: (tenantId: string, keyHash: string) => `muster:tenant:${tenantId}:batch-idempotency:${keyHash}`,
  columnMappings: (tenantId: string, mode?: 'test') =>
    `muster:tenant:${tenantId}:column-mappings${mode ? `:${mode}` : ''}`,
  tenantWebhookEndpoints: (tenantId: string) => `muster:tenant:${tenantId}:webhook-endpoints`,
  tenantCallbackEndpoints: (tenantId: string) => `muster:tenant:${tenantId}:callback-endpoints`,
  callbackSecret: (tenantId: string, mode?: 'test') =>
    `muster:tenant:${tenantId}:callback-secret${mode ? `:${mode}` : ''}`,
  tenantOpenWork: (tenantId: string) => `muster:tenant:${tenantId}:open-work`,
  tenantOperations: (tenantId: string) => `muster:tenant:${tenantId}:operations`,
  tenantReference: (tenantId: string, reference: string) =>
    `muster:tenant:${tenantId}:reference:${createHash('sha256').update(reference).digest('base64url').slice(0, 27)}`,
  apiKey: (keyHash: string) => `muster:api-key:${keyHash}`,
  hashKey: 'muster:hash-key',
  janitorLease: 'muster:janitor-lease',
} as const

/** The hash tag of a batch's keys. */
const batchTag = (batchId: string): string => eventSourceText({ kind: 'batch', id: batchId })

/**
 * What each key holds, and its name with placeholders. ARCHITECTURE.md shows it; `npx vitest run test/docs -u` writes
 * it there.
 */
export const keyTable: Record<keyof typeof keys, readonly [name: string, content: string]> = {
  account: [keys.account('account'), 'hash: record, version, credentials (sealed)'],
  accessToken: [keys.accessToken('account'), "the provider's token (sealed, expires)"],
  accessTokenLock: [keys.accessTokenLock('account'), 'which process renews the token (expires)'],
  operation: [
    keys.operation('account', '<id>'),
    'hash: record (head, which never changes, and state; packed and sealed), version, request (sealed), secrets ' +
      '(sealed, erased at the end), result (sealed), callback (sealed)',
  ],
  operations: [
    keys.operations('account'),
    'zset: every operation, by id and so by time; once the account is deleted, expires with the last of them',
  ],
  openOperations: [keys.openOperations('account'), 'zset: operations that have not ended, by expiry'],
  openWork: [keys.openWork('account'), 'hash: bytes of operations that have not ended, and how often that has changed'],
  outbox: [
    keys.outbox(accountLane('account')),
    'zset: what the lane has not been given yet, `+job` or `-job`, most urgent first; a webhook endpoint has one too',
  ],
  idempotency: [
    keys.idempotency('account', '<hash>'),
    'hash: operation and fingerprint of the request; lives as long as the operation',
  ],
  liveLogins: [keys.liveLogins('account'), 'hash: which unfinished operation is creating each login'],
  accountBatches: [keys.accountBatches('account'), 'zset: batches with rows at the account, oldest first'],
  batchCounts: [
    keys.batchCounts('account', '<id>'),
    'hash: how many rows of the batch are in which status at this account, and its hold flag',
  ],
  batchOutbox: [
    keys.batchOutbox('account', '<id>'),
    'zset: rows of the batch that the lane has not been given yet, by row or by `not_before`',
  ],
  batch: [
    keys.batch('<id>'),
    'hash: record (its reference sealed), version, progress of the upload, credentials (sealed: the callback ' +
      'address); over more than 20 accounts the sum of their counts, as last counted',
  ],
  batchChunk: [
    keys.batchChunk('<id>', 0).replace(/0$/, '<n>'),
    'the rows of one committed chunk, as the results need them (sealed); names of columns are in the batch',
  ],
  batchReferenceRows: [keys.batchReferenceRows('<id>'), "zset: rows by the client's own ids, hashed"],
  batchReferences: [keys.batchReferences('<id>'), 'hash: the same, in batches of an earlier version'],
  batchAccounts: [
    keys.batchAccounts('<id>'),
    'hash: accounts from the 21st on, by position; the first 20 are in the record',
  ],
  batchRowAccounts: [keys.batchRowAccounts('<id>'), 'three bytes for each row: the position of its account'],
  batchUpload: [keys.batchUpload('<id>'), 'which request is uploading rows (expires)'],
  eventOutbox: [
    keys.eventOutbox({ kind: 'account', id: 'account' }),
    'zset: events that no endpoint has been given yet, by time; a batch and a webhook endpoint have one too',
  ],
  webhookEndpoint: [
    keys.webhookEndpoint('<id>'),
    'hash: record, version, credentials (sealed: address, secrets, key pair)',
  ],
  delivery: [
    keys.delivery('<id>', '<id>'),
    'hash: head (the event), state, version, url (sealed; of a callback), replies (sealed)',
  ],
  deliveries: [keys.deliveries('<id>'), 'zset: every delivery, by id and so by time'],
  pendingDeliveries: [keys.pendingDeliveries('<id>'), 'zset: deliveries that are neither delivered nor failed'],
  deliveryLocator: [keys.deliveryLocator('<id>'), 'the endpoint of a delivery (expires)'],
  locator: [keys.locator('<id>'), 'the account of an operation (expires); rows of a batch need none'],
  accounts: [keys.accounts, 'set: the ids of all accounts'],
  openBatches: [keys.openBatches, 'set: batches that have not ended'],
  tenant: [keys.tenant('<id>'), 'id, name, time of creation'],
  tenantNames: [keys.tenantNames, 'hash: the tenant of each name'],
  tenantAccounts: [keys.tenantAccounts('<id>'), 'set'],
  tenantApiKeys: [keys.tenantApiKeys('<id>'), 'hash: the hash of each API key'],
  tenantBatches: [keys.tenantBatches('<id>'), 'zset: batches by id, and so by time'],
  tenantOpenBatches: [keys.tenantOpenBatches('<id>'), 'set'],
  batchIdempotency: [keys.batchIdempotency('<id>', '<hash>'), "the batch that an upload's key began (expires)"],
  columnMappings: [
    keys.columnMappings('<id>'),
    'hash: saved column mappings by name; those of test keys in one that ends in `:test`',
  ],
  tenantWebhookEndpoints: [keys.tenantWebhookEndpoints('<id>'), 'set: endpoints that were registered'],
  tenantCallbackEndpoints: [
    keys.tenantCallbackEndpoints('<id>'),
    'set: one endpoint for each host of callback addresses; events go there only as their requests say',
  ],
  callbackSecret: [
    keys.callbackSecret('<id>'),
    'what signs for callback addresses (sealed); for those of test accounts one that ends in `:test`',
  ],
  tenantOpenWork: [
    keys.tenantOpenWork('<id>'),
    'hash: what has not ended at each account, as last reported, the total, what is being accepted, and bytes ' +
      'accepted by day',
  ],
  tenantOperations: [
    keys.tenantOperations('<id>'),
    'zset: operations by id, and so by time; a batch stands for its rows',
  ],
  tenantReference: [
    keys.tenantReference('<id>', '').replace(/[^:]+$/, '<hash>'),
    "zset: operations with this id of the client's (expires)",
  ],
  apiKey: [keys.apiKey('<hash>'), 'tenant, name, scopes; the key itself is stored nowhere'],
  hashKey: [keys.hashKey, 'the key of all hashes of requests and logins (sealed)'],
  janitorLease: [keys.janitorLease, 'which worker runs the janitors'],
}

/** Pub/sub channel: sources whose events wait for endpoints. A nudge only: the janitor polls as well. */
export const EVENTS_CHANNEL = 'muster:events'
/** Pub/sub channel: ids of operations that have ended. A nudge only: who waits reads the record. */
export const FINISHED_CHANNEL = 'muster:operation-finished'
