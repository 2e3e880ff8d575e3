import { KnownSecrets } from '@muster/contracts/known-secrets'
import { blotOut } from '@muster/contracts/secrets'
import type { EventSourceRef } from '@muster/domain/event-source'
import type { Egress } from '@muster/egress/egress'
import { CoolingDownError } from '@muster/lanes/call-pacer'
import type { JobOutcome } from '@muster/domain/outcome'
import type { RunContext } from '@muster/lanes/lane'
import type { RunSubjectJob } from '../lane-source.ts'
import {
  finishDeliveryAttempt,
  StaleDeliveryError,
  type DeliveryEnd,
  type DeliveryRecord,
} from '@muster/store/webhooks/deliveries'
import { jobIdOf, operationIdOf } from '@muster/domain/operation/record'
import type { RedisClock } from '@muster/store/redis/clock'
import type { Store } from '@muster/store/store'
import { activeSecrets, type WebhookEndpointRecord } from '@muster/store/webhooks/webhook-endpoints'
import type { Logger } from '@muster/process/logger'
import { afterFailure } from '@muster/webhooks/endpoint-health'
import { classifyReply, type Exchange, type Reply } from '@muster/webhooks/reply'
import { delayAfter, type Schedule } from '@muster/webhooks/schedule'
import { signMessage } from '@muster/webhooks/signature'
import type { WorkerMetrics } from '../metrics.ts'
import { toWebhookEvent } from './webhook-event.ts'

export interface DeliverWebhookDependencies {
  store: Store
  httpFor: Egress['httpFor']
  schedule: Schedule
  timeoutMs: number
  /** An endpoint that has failed for so long is disabled. */
  disableAfterMs: number
  clock: RedisClock
  log: Logger
  metrics: WorkerMetrics
  /** An endpoint was disabled: its own event waits to be handed to the others. */
  onEvent(source: EventSourceRef): void
}

const READ_AT_MOST_BYTES = 64 * 1024
/** Shown in the log of deliveries; the receiver's words are for its owner, but not by the megabyte. */
const KEPT_REPLY_CHARACTERS = 1_024
/** A shorter part of an address is a word, such as `webhooks`, and no secret. */
const MIN_TOKEN_CHARACTERS = 12
const USER_AGENT = 'Muster-Webhooks/0.1'

/**
 * One job of an endpoint's lane: one attempt to deliver, and the record of what came of it. Killed between the
 * receiver's 2xx and that record, it is sent again under the same id.
 */
export function createDeliverWebhook(dependencies: DeliverWebhookDependencies): RunSubjectJob {
  const { store, clock, metrics } = dependencies

  return async (endpointId, jobId, context) => {
    const record = await store.deliveries.read(endpointId, operationIdOf(jobId))
    if (!record || record.state.status !== 'pending' || jobIdOf(record.id, record.state.run) !== jobId)
      return { outcome: 'done' }
    const dueAt = record.state.nextAttemptAt ?? 0
    if (dueAt > clock.now()) return { outcome: 'retrying', at: clock.toLocal(dueAt) }
    const endpoint = await store.webhookEndpoints.read(endpointId)
    if (!endpoint || endpoint.status !== 'active') return { outcome: 'held' }
    try {
      return await attempt(record, endpoint, context)
    } catch (error) {
      // Replayed by hand meanwhile, or taken over: the latest version decides.
      if (error instanceof StaleDeliveryError) return { outcome: 'retrying', at: Date.now() + 1_000 }
      throw error
    }
  }

  async function attempt(
    record: DeliveryRecord,
    endpoint: WebhookEndpointRecord,
    context: RunContext,
  ): Promise<JobOutcome> {
    const [secrets, callbackUrl] = await Promise.all([
      store.webhookEndpoints.readSecrets(endpoint.id),
      store.deliveries.readUrl(record),
    ])
    if (!secrets) return { outcome: 'done' }
    const shared =
      endpoint.kind === 'callback'
        ? await store.webhookEndpoints.readCallbackSecrets(endpoint.tenantId, endpoint.mode)
        : secrets.secrets
    const signing = [
      ...activeSecrets(shared, clock.now()).map(({ secret }) => secret),
      ...(secrets.signingKey ? [secrets.signingKey.privateKey] : []),
    ]
    const body = JSON.stringify(await toWebhookEvent(store, record.event, endpoint.payload))
    try {
      await context.waitForPermit(context.signal)
    } catch (error) {
      if (context.signal.aborted || error instanceof CoolingDownError) return { outcome: 'interrupted' }
      throw error
    }
    const startedAt = clock.now()
    const headers = signMessage({
      id: record.event.id,
      timestamp: Math.floor(startedAt / 1000),
      body,
      secrets: signing,
    })
    if (record.state.attemptCount === 0) metrics.webhookDelay.observe((startedAt - record.event.at) / 1000)
    const http = dependencies.httpFor({ tenantId: endpoint.tenantId, laneId: endpoint.id })
    const exchange: Exchange = await http({
      method: 'POST',
      url: callbackUrl ?? secrets.url,
      headers: { 'content-type': 'application/json', 'user-agent': USER_AGENT, ...headers },
      body,
      timeoutMs: dependencies.timeoutMs,
      readAtMostBytes: READ_AT_MOST_BYTES,
      signal: context.signal,
    }).then(
      (response) => ({ response }),
      (error: unknown) => ({ error }),
    )
    const now = clock.now()
    const reply = classifyReply(exchange, now)
    const end = toEnd(reply, record.state.failedAttempts + 1)
    // A receiver that echoes what it got, or its own address, must not put it into the log of deliveries.
    const known = new KnownSecrets([
      ...signing,
      ...signing.map(withoutPrefix),
      ...secretsOfUrl(callbackUrl ?? secrets.url),
    ])
    const kept = 'response' in exchange ? blotOut(exchange.response.body, known).slice(0, KEPT_REPLY_CHARACTERS) : null
    const saved = await store.deliveries.recordAttempt(
      record,
      finishDeliveryAttempt(
        record.state,
        {
          startedAt,
          durationMs: now - startedAt,
          status: reply.statusCode ?? null,
          reason: reply.reason ?? null,
          reply: kept === '' ? null : kept,
        },
        end,
        now,
      ),
    )
    metrics.deliveries.inc({ outcome: end.kind, reason: reply.reason ?? '' })
    dependencies.log.info(
      {
        endpoint_id: endpoint.id,
        delivery_id: record.id,
        event_type: record.event.type,
        attempt: saved.state.attemptCount,
        outcome: end.kind,
        reason: reply.reason,
      },
      'delivery attempted',
    )
    if (end.kind === 'interrupted') return { outcome: 'retrying', at: Date.now() }
    await noteHealth(endpoint, reply, now)
    return end.kind === 'again' ? { outcome: 'retrying', at: clock.toLocal(now + end.delayMs) } : { outcome: 'done' }
  }

  function toEnd(reply: Reply, failedAttempts: number): DeliveryEnd {
    if (reply.outcome === 'delivered') return { kind: 'delivered' }
    // The process stops, or the lane is another's: whether it arrived nobody knows, and the next attempt has the same
    // id.
    if (reply.reason === 'aborted') return { kind: 'interrupted' }
    const delayMs =
      reply.outcome === 'gone'
        ? undefined
        : delayAfter(dependencies.schedule, failedAttempts, { retryAfterMs: reply.retryAfterMs })
    return delayMs === undefined ? { kind: 'failed' } : { kind: 'again', delayMs }
  }

  /**
   * Written only when it changes, so that a healthy endpoint costs nothing. One of callback addresses is never
   * disabled: the next address may be another's.
   */
  async function noteHealth(endpoint: WebhookEndpointRecord, reply: Reply, now: number): Promise<void> {
    if (reply.outcome === 'delivered' && endpoint.failingSince === null) return
    const written = await store.webhookEndpoints.update(endpoint.id, (latest) => {
      if (reply.outcome === 'delivered')
        return latest.failingSince === null ? undefined : { ...latest, failingSince: null, updatedAt: now }
      const { health, isToDisable, isWorthWriting } = afterFailure(latest, now, dependencies)
      const since = new Date(health.failingSince).toISOString()
      const reason =
        reply.outcome === 'gone'
          ? 'The receiver answered 410 Gone.'
          : isToDisable
            ? `Every delivery has failed since ${since}; the latest: ${reply.reason ?? ''}.`
            : undefined
      if (reason !== undefined && latest.kind === 'registered' && latest.status === 'active')
        return { ...latest, ...health, status: 'disabled', statusReason: reason, statusSince: now, updatedAt: now }
      return isWorthWriting ? { ...latest, ...health, updatedAt: now } : undefined
    })
    if (written?.status !== 'disabled' || endpoint.status === 'disabled') return
    dependencies.log.warn({ endpoint_id: endpoint.id, reason: reply.reason }, 'the webhook endpoint was disabled')
    dependencies.onEvent({ kind: 'endpoint', id: endpoint.id })
  }
}

/** `whsec_` and `whsk_` say what follows, which is the key. */
const withoutPrefix = (secret: string): string => secret.replace(/^wh[a-z]+_/, '')

/** Who knows the address of an endpoint can send to it: many hold a token in their path or query. */
function secretsOfUrl(text: string): string[] {
  const { href, pathname, search, searchParams } = new URL(text)
  const parts = [...pathname.split('/'), ...searchParams.values()].filter((part) => part.length >= MIN_TOKEN_CHARACTERS)
  return [href, ...((pathname + search).length >= MIN_TOKEN_CHARACTERS ? [pathname + search] : []), ...parts]
}
