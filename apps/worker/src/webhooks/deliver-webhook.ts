import type { DeliveryRecord } from '@muster/domain/delivery/record'
import { finishDeliveryAttempt, type DeliveryEnd } from '@muster/domain/delivery/state'
import type { EventSourceRef } from '@muster/domain/event'
import { jobIdOf, operationIdOf } from '@muster/domain/operation/record'
import type { JobOutcome } from '@muster/domain/outcome'
import type { WebhookEndpointRecord } from '@muster/domain/webhook-endpoint/record'
import { activeSecrets } from '@muster/domain/webhook-endpoint/secrets'
import { noteReply } from '@muster/domain/webhook-endpoint/state'
import type { Egress } from '@muster/egress/egress'
import { CoolingDownError } from '@muster/lanes/call-pacer'
import type { RunContext } from '@muster/lanes/lane'
import type { Logger } from '@muster/process/logger'
import type { RedisClock } from '@muster/store/redis/clock'
import type { Store } from '@muster/store/store'
import { StaleDeliveryError } from '@muster/store/webhooks/deliveries'
import { classifyReply, type Exchange, type Reply } from '@muster/webhooks/reply'
import { delayAfter, longestDelayMs, type Schedule } from '@muster/webhooks/schedule'
import { signMessage } from '@muster/webhooks/signature'
import type { WorkerMetrics } from '../metrics.ts'
import { redactReply } from './redact-reply.ts'
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

/** What one attempt needs, read before its permit is waited for. */
interface Message {
  delivery: DeliveryRecord
  endpoint: WebhookEndpointRecord
  url: string
  body: string
  /** Each of them signs. */
  secrets: string[]
}

interface Attempted {
  exchange: Exchange
  startedAt: number
  endedAt: number
}

const READ_AT_MOST_BYTES = 64 * 1024
const USER_AGENT = 'Muster-Webhooks/0.1'

/**
 * One job of an endpoint's lane: one attempt, and the record of how it ended. A worker killed between the receiver's
 * 2xx and that record sends it again, under the same id.
 */
export class WebhookDeliverer {
  readonly #dependencies: DeliverWebhookDependencies

  constructor(dependencies: DeliverWebhookDependencies) {
    this.#dependencies = dependencies
  }

  async run(endpointId: string, jobId: string, context: RunContext): Promise<JobOutcome> {
    const { store, clock } = this.#dependencies
    const delivery = await store.deliveries.read(endpointId, operationIdOf(jobId))
    if (delivery?.state.status !== 'pending' || jobIdOf(delivery.id, delivery.state.run) !== jobId)
      return { outcome: 'done' }
    const dueAt = delivery.state.nextAttemptAt ?? 0
    if (dueAt > clock.now()) return { outcome: 'retrying', at: clock.toLocal(dueAt) }
    const endpoint = await store.webhookEndpoints.read(endpointId)
    if (endpoint?.status !== 'active') return { outcome: 'held' }
    try {
      return await this.#attempt(delivery, endpoint, context)
    } catch (error) {
      // Replayed by hand meanwhile, or another worker's by now: the latest version decides.
      if (error instanceof StaleDeliveryError) return { outcome: 'retrying', at: Date.now() + 1_000 }
      throw error
    }
  }

  async #attempt(delivery: DeliveryRecord, endpoint: WebhookEndpointRecord, context: RunContext): Promise<JobOutcome> {
    const message = await this.#prepare(delivery, endpoint)
    if (!message) return { outcome: 'done' }
    try {
      await context.waitForPermit(context.signal)
    } catch (error) {
      if (context.signal.aborted || error instanceof CoolingDownError) return { outcome: 'interrupted' }
      throw error
    }
    return this.#settle(message, await this.#send(message, context.signal))
  }

  /** Undefined when the endpoint is gone. */
  async #prepare(delivery: DeliveryRecord, endpoint: WebhookEndpointRecord): Promise<Message | undefined> {
    const { store, clock } = this.#dependencies
    const [own, callbackUrl] = await Promise.all([
      store.webhookEndpoints.readSecrets(endpoint.id),
      store.deliveries.readUrl(delivery),
    ])
    if (!own) return undefined
    const shared =
      endpoint.kind === 'callback'
        ? await store.webhookEndpoints.readCallbackSecrets(endpoint.tenantId, endpoint.mode)
        : own.secrets
    const secrets = activeSecrets(shared, clock.now()).map(({ secret }) => secret)
    if (own.signingKey) secrets.push(own.signingKey.privateKey)
    const body = JSON.stringify(await toWebhookEvent(store, delivery.event, endpoint.payload))
    return { delivery, endpoint, url: callbackUrl ?? own.url, body, secrets }
  }

  async #send({ delivery, endpoint, url, body, secrets }: Message, signal: AbortSignal): Promise<Attempted> {
    const { clock, metrics, httpFor, timeoutMs } = this.#dependencies
    const { event, state } = delivery
    const startedAt = clock.now()
    if (state.attemptCount === 0) metrics.webhookDelay.observe((startedAt - event.at) / 1000)
    const signature = signMessage({ id: event.id, timestamp: Math.floor(startedAt / 1000), body, secrets })
    const http = httpFor({ tenantId: endpoint.tenantId, laneId: endpoint.id })
    const exchange: Exchange = await http({
      method: 'POST',
      url,
      headers: { 'content-type': 'application/json', 'user-agent': USER_AGENT, ...signature },
      body,
      timeoutMs,
      readAtMostBytes: READ_AT_MOST_BYTES,
      signal,
    }).then(
      (response) => ({ response }),
      (error: unknown) => ({ error }),
    )
    return { exchange, startedAt, endedAt: clock.now() }
  }

  async #settle(message: Message, { exchange, startedAt, endedAt }: Attempted): Promise<JobOutcome> {
    const { store, clock, schedule } = this.#dependencies
    const { delivery, endpoint } = message
    const reply = classifyReply(exchange, endedAt)
    const end = toEnd(reply, delivery.state.failedAttempts + 1, schedule)
    const finished = {
      startedAt,
      durationMs: endedAt - startedAt,
      status: reply.statusCode ?? null,
      reason: reply.reason ?? null,
      reply: redactReply(exchange, message.url, message.secrets),
    }
    await store.deliveries.recordAttempt(delivery, finishDeliveryAttempt(delivery.state, finished, end, endedAt))
    this.#report(delivery, reply, end)
    if (end.kind === 'interrupted') return { outcome: 'retrying', at: Date.now() }
    await this.#noteHealth(endpoint, reply, endedAt)
    return end.kind === 'again'
      ? { outcome: 'retrying', at: clock.toLocal(endedAt + end.delayMs) }
      : { outcome: 'done' }
  }

  #report(delivery: DeliveryRecord, { reason }: Reply, { kind }: DeliveryEnd): void {
    const { metrics, log } = this.#dependencies
    metrics.deliveries.inc({ outcome: kind, reason: reason ?? '' })
    log.info(
      {
        endpoint_id: delivery.endpointId,
        delivery_id: delivery.id,
        event_type: delivery.event.type,
        attempt: delivery.state.attemptCount + 1,
        outcome: kind,
        reason,
      },
      'delivery attempted',
    )
  }

  async #noteHealth(endpoint: WebhookEndpointRecord, reply: Reply, now: number): Promise<void> {
    const { store, schedule, disableAfterMs, log, onEvent } = this.#dependencies
    if (reply.outcome === 'delivered' && endpoint.failingSince === null) return
    const policy = {
      longestDelayMs: longestDelayMs(schedule),
      disableAfterMs,
    }
    const written = await store.webhookEndpoints.update(endpoint.id, (latest) => noteReply(latest, reply, policy, now))
    if (written?.status !== 'disabled') return
    log.warn({ endpoint_id: endpoint.id, reason: reply.reason }, 'the webhook endpoint was disabled')
    onEvent({ kind: 'endpoint', id: endpoint.id })
  }
}

function toEnd(reply: Reply, failedAttempts: number, schedule: Schedule): DeliveryEnd {
  if (reply.outcome === 'delivered') return { kind: 'delivered' }
  // By us: the process stops, or the lane is another worker's. It may have arrived; the next attempt has the same id.
  if (reply.reason === 'aborted') return { kind: 'interrupted' }
  if (reply.outcome === 'gone') return { kind: 'failed' }
  const delayMs = delayAfter(schedule, failedAttempts, { retryAfterMs: reply.retryAfterMs })
  return delayMs === undefined ? { kind: 'failed' } : { kind: 'again', delayMs }
}
