import type { DeliveryResource, WebhookEndpointResource } from '@muster/contracts/webhook-endpoint'
import type { DeliveryRecord } from '@muster/domain/delivery/record'
import type { WebhookEndpointRecord, WebhookEndpointSecrets } from '@muster/domain/webhook-endpoint/record'
import { activeSecrets } from '@muster/domain/webhook-endpoint/secrets'

const time = (at: number): string => new Date(at).toISOString()
const timeOrNull = (at: number | null): string | null => (at === null ? null : time(at))

export function toEndpointResource(
  record: WebhookEndpointRecord,
  { url, secrets, signingKey }: WebhookEndpointSecrets,
  now: number,
): WebhookEndpointResource {
  return {
    id: record.id,
    kind: record.kind,
    url,
    mode: record.mode ?? 'live',
    description: record.description,
    events: record.events,
    integrated_account_ids: record.accountIds,
    providers: record.providers,
    payload: record.payload,
    rate: record.rate,
    concurrency: record.concurrency,
    status: record.status,
    status_reason: record.statusReason,
    status_since: time(record.statusSince),
    failing_since: timeOrNull(record.failingSince),
    public_key: signingKey?.publicKey ?? null,
    secrets: activeSecrets(secrets, now).map(({ createdAt, expiresAt }) => ({
      created_at: time(createdAt),
      expires_at: timeOrNull(expiresAt),
    })),
    created_at: time(record.createdAt),
    updated_at: time(record.updatedAt),
  }
}

export function toDeliveryResource({ id, endpointId, createdAt, event, state }: DeliveryRecord): DeliveryResource {
  return {
    id,
    webhook_endpoint_id: endpointId,
    event_id: event.id,
    event_type: event.type,
    operation_id: event.operationId,
    status: state.status,
    created_at: time(createdAt),
    finished_at: timeOrNull(state.finishedAt),
    next_attempt_at: timeOrNull(state.nextAttemptAt),
    reason: state.reason ?? null,
    attempt_count: state.attemptCount,
    attempts: state.attempts.map(({ number, startedAt, durationMs, status, reason, reply }) => ({
      number,
      started_at: time(startedAt),
      duration_ms: durationMs,
      status,
      reason,
      reply,
    })),
    links: { self: `/deliveries/${id}`, replay: `/deliveries/${id}/replay` },
  }
}
