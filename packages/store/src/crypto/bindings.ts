/**
 * What every sealed blob is bound to: a blob that is copied to another record or field does not open. The records and
 * the rotation of keys (reseal.ts) read this table, so that nothing sealed can be left out of a rotation. The texts
 * never change: blobs outlive a deploy. A kind with fields is a hash, and the names are its fields in Redis.
 */
export const bindings = {
  hashKey: () => 'hash-key',
  account: { credentials: (accountId: string) => `account:${accountId}:credentials` },
  accessToken: (accountId: string) => `account:${accountId}:access-token`,
  operation: {
    request: (operationId: string) => `operation:${operationId}:request`,
    secrets: (operationId: string) => `operation:${operationId}:secrets`,
    result: (operationId: string) => `operation:${operationId}:result`,
    callback: (operationId: string) => `operation:${operationId}:callback`,
  },
  operationRecord: (operationId: string) => `operation:${operationId}:record`,
  batch: { credentials: (batchId: string) => `batch:${batchId}:credentials` },
  batchReference: (batchId: string) => `batch:${batchId}:reference`,
  batchChunk: (batchId: string, chunk: number) => `batch:${batchId}:chunk:${chunk}`,
  webhookEndpoint: { credentials: (endpointId: string) => `webhook-endpoint:${endpointId}:credentials` },
  delivery: {
    url: (deliveryId: string) => `delivery:${deliveryId}:url`,
    replies: (deliveryId: string) => `delivery:${deliveryId}:replies`,
  },
  callbackSecret: (tenantId: string, mode?: 'test') => `tenant:${tenantId}:callback-secret${mode ? `:${mode}` : ''}`,
} as const
