import type { ProviderId } from '@muster/contracts/provider-ids'
import type { WebhookEventType } from '@muster/contracts/webhook-event'
import type { SigningSecret } from './secrets.ts'

export interface WebhookEndpointRecord {
  id: string
  tenantId: string
  /**
   * callback: the lane of one host of callback addresses. Each delivery brings its own address, and the tenant's
   * callback secret signs.
   */
  kind: 'registered' | 'callback'
  /** Sent only what is of mode test. Absent: everything. */
  mode?: 'test'
  description: string | null
  events: WebhookEventType[] | null
  accountIds: string[] | null
  providers: ProviderId[] | null
  payload: 'thin' | 'full'
  rate: { requests: number; per_seconds: number } | null
  concurrency: number | null
  status: 'active' | 'disabled'
  statusReason: string | null
  statusSince: number
  /** Of the first failure since the last success. */
  failingSince: number | null
  /** Attempts that have failed since, and the latest; absent in records written before they were counted. */
  failures?: number
  lastFailureAt?: number
  createdAt: number
  updatedAt: number
}

/** Sealed: addresses can carry tokens. */
export interface WebhookEndpointSecrets {
  url: string
  secrets: SigningSecret[]
  signingKey: { privateKey: string; publicKey: string } | null
}

/** Sent every event, with a thin payload, until its settings say otherwise. */
export const newEndpointRecord = (
  identity: Pick<WebhookEndpointRecord, 'id' | 'tenantId' | 'kind' | 'mode'>,
  now: number,
): WebhookEndpointRecord => ({
  ...identity,
  description: null,
  events: null,
  accountIds: null,
  providers: null,
  payload: 'thin',
  rate: null,
  concurrency: null,
  status: 'active',
  statusReason: null,
  statusSince: now,
  failingSince: null,
  createdAt: now,
  updatedAt: now,
})
