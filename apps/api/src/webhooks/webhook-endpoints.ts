import { routes } from '@muster/contracts/routes'
import { endpointLane } from '@muster/domain/lane-id'
import type { DeliveryRecord } from '@muster/domain/delivery/record'
import { endpointTestEvent } from '@muster/domain/event-of-change'
import { newEndpointRecord, type WebhookEndpointRecord } from '@muster/domain/webhook-endpoint/record'
import { rotateSecrets } from '@muster/domain/webhook-endpoint/secrets'
import { setEndpointStatus } from '@muster/domain/webhook-endpoint/state'
import { identifyEvent } from '@muster/store/webhooks/identify-event'
import { createSecret, createSigningKey } from '@muster/webhooks/secret'
import { v4 as uuidv4 } from 'uuid'
import type { z } from 'zod'
import { checkWebhookUrl } from './check-webhook-url.ts'
import type { ApiDependencies } from '../dependencies.ts'
import { findDeliveries } from './find-deliveries.ts'
import { defineEndpoint } from '../http/endpoint.ts'
import { fitPage, toPageOptions } from '../http/page.ts'
import { invalid, notFound, RequestError } from '../http/request-error.ts'
import { isOwn, modeOf, readOwnDelivery, readOwnEndpoint, type Caller } from '../http/own-records.ts'
import { showEach, withUnreadable } from '../http/unreadable-records.ts'
import { toDeliveryResource, toEndpointResource } from './webhook-endpoint-resource.ts'

const HOUR_MS = 3_600_000
const DEFAULT_OVERLAP_HOURS = 24
const REPLAY_PAGE = 500

type Settings = Pick<
  z.output<typeof routes.updateWebhookEndpoint.body>,
  'description' | 'events' | 'integrated_account_ids' | 'providers' | 'payload' | 'rate' | 'concurrency'
>

/** What was given; null takes a setting back, absent leaves it. */
function withSettings(record: WebhookEndpointRecord, body: Settings): WebhookEndpointRecord {
  return {
    ...record,
    description: body.description === undefined ? record.description : body.description,
    events: body.events === undefined ? record.events : body.events,
    accountIds: body.integrated_account_ids === undefined ? record.accountIds : body.integrated_account_ids,
    providers: body.providers === undefined ? record.providers : body.providers,
    payload: body.payload ?? record.payload,
    rate: body.rate === undefined ? record.rate : body.rate,
    concurrency: body.concurrency === undefined ? record.concurrency : body.concurrency,
  }
}

export function webhookEndpointRoutes({ store, schedule, egress, config }: ApiDependencies) {
  const allowedHosts = config.MUSTER_ALLOWED_HOSTS

  async function show(record: WebhookEndpointRecord) {
    const secrets = await store.webhookEndpoints.readSecrets(record.id)
    if (!secrets) throw notFound('webhook endpoint')
    // What is sent to callback addresses is signed with the tenant's secret.
    const signing =
      record.kind === 'callback'
        ? await store.webhookEndpoints.readCallbackSecrets(record.tenantId, record.mode)
        : secrets.secrets
    return toEndpointResource(record, { ...secrets, secrets: signing }, Date.now())
  }

  /** What only the network and the store know. */
  async function check(
    caller: Caller,
    {
      url,
      integrated_account_ids: accountIds,
    }: Pick<Settings, 'integrated_account_ids'> & { url?: string | undefined },
  ): Promise<void> {
    const problems =
      url === undefined
        ? []
        : await checkWebhookUrl(url, '/url', {
            egress,
            allowedHosts,
            tenantId: caller.tenantId,
          })
    const accounts = new Set(
      (await store.accounts.readMany(accountIds ?? [])).flatMap((account) =>
        isOwn(caller, account) ? [account.id] : [],
      ),
    )
    accountIds?.forEach((id, index) => {
      if (!accounts.has(id))
        problems.push({
          pointer: `/integrated_account_ids/${index}`,
          code: 'not_found',
          detail: 'There is no such integrated account.',
        })
    })
    if (problems.length > 0) throw invalid(problems)
  }

  const create = defineEndpoint(routes.createWebhookEndpoint, async ({ tenantId, caller, body }) => {
    await check(caller, body)
    const now = Date.now()
    const who = {
      id: uuidv4(),
      tenantId,
      kind: 'registered' as const,
      ...(caller.isTest ? { mode: 'test' as const } : {}),
    }
    const record = withSettings(newEndpointRecord(who, now), body)
    const secret = createSecret()
    const secrets = {
      url: body.url,
      secrets: [{ secret, createdAt: now, expiresAt: null }],
      signingKey: body.asymmetric ? createSigningKey() : null,
    }
    await store.webhookEndpoints.create(record, secrets)
    return {
      status: 201,
      headers: { location: `/webhook-endpoints/${record.id}` },
      body: { ...toEndpointResource(record, secrets, now), secret },
    }
  })

  const update = defineEndpoint(routes.updateWebhookEndpoint, async ({ caller, params, body }) => {
    const record = await readOwnEndpoint(store, caller, params.id)
    const { url } = body
    if (url !== undefined && record.kind === 'callback')
      throw new RequestError('conflict', 'The addresses of this endpoint come with the requests.')
    await check(caller, body)
    if (url !== undefined)
      await store.webhookEndpoints.updateSecrets(params.id, (secrets) => ({ ...secrets, url }), Date.now())
    const now = Date.now()
    const written = await store.webhookEndpoints.update(params.id, (latest) => {
      const next = { ...withSettings(latest, body), updatedAt: now }
      return body.status === undefined
        ? next
        : setEndpointStatus(next, body.status === 'active' ? 'enable' : 'disable', now)
    })
    if (!written) throw notFound('webhook endpoint')
    await schedule.reload(endpointLane(params.id))
    return { status: 200, body: await show(written) }
  })

  const remove = defineEndpoint(routes.deleteWebhookEndpoint, async ({ caller, params }) => {
    await store.webhookEndpoints.remove(await readOwnEndpoint(store, caller, params.id))
    await store.deliveries.removeAll(params.id)
    // Its owner finds it gone, and takes the lane away.
    await schedule.reload(endpointLane(params.id))
    return { status: 204 }
  })

  const test = defineEndpoint(routes.testWebhookEndpoint, async ({ caller, params }) => {
    const record = await readOwnEndpoint(store, caller, params.id)
    if (record.kind === 'callback') throw new RequestError('conflict', 'This endpoint has no address of its own.')
    if (record.status !== 'active')
      throw new RequestError('conflict', 'The endpoint is disabled: make it active first.')
    const now = Date.now()
    const event = identifyEvent(endpointTestEvent(record, now))
    const deliveryId = await store.deliveries.create(record, event, undefined, now)
    if (deliveryId === undefined) throw notFound('webhook endpoint')
    await schedule.wake(endpointLane(record.id))
    return {
      status: 202,
      headers: { location: `/deliveries/${deliveryId}` },
      body: toDeliveryResource(await readOwnDelivery(store, caller, deliveryId)),
    }
  })

  const rotate = defineEndpoint(routes.rotateWebhookSecret, async ({ caller, params, body = {} }) => {
    const record = await readOwnEndpoint(store, caller, params.id)
    if (record.kind === 'callback')
      throw new RequestError(
        'conflict',
        'What is sent to callback addresses is signed with the callback secret: POST /callback-secret.',
      )
    const now = Date.now()
    const secret = createSecret()
    let previous: number | null = null
    await store.webhookEndpoints.updateSecrets(
      params.id,
      (secrets) => {
        const rotated = rotateSecrets(
          secrets.secrets,
          secret,
          (body.overlap_hours ?? DEFAULT_OVERLAP_HOURS) * HOUR_MS,
          now,
        )
        previous = rotated[1]?.expiresAt ?? null
        return { ...secrets, secrets: rotated }
      },
      now,
    )
    return { status: 200, body: { secret, previous_expires_at: toIso(previous) } }
  })

  const rotateCallback = defineEndpoint(routes.rotateCallbackSecret, async ({ tenantId, caller, body = {} }) => {
    const now = Date.now()
    const secret = createSecret()
    const rotated = await store.webhookEndpoints.updateCallbackSecrets(
      tenantId,
      (secrets) => rotateSecrets(secrets, secret, (body.overlap_hours ?? DEFAULT_OVERLAP_HOURS) * HOUR_MS, now),
      modeOf(caller),
    )
    return { status: 200, body: { secret, previous_expires_at: toIso(rotated[1]?.expiresAt ?? null) } }
  })

  async function replayOne(record: DeliveryRecord): Promise<DeliveryRecord> {
    if (record.state.status === 'pending')
      throw new RequestError('conflict', 'The delivery is still pending: it is sent at its next_attempt_at.')
    const replayed = await store.deliveries.replay(record, Date.now())
    if (!replayed) throw new RequestError('conflict', 'The delivery was changed at the same moment: look again.')
    return replayed
  }

  const replay = defineEndpoint(routes.replayDelivery, async ({ caller, params }) => {
    const replayed = await replayOne(await readOwnDelivery(store, caller, params.id))
    await schedule.wake(endpointLane(replayed.endpointId))
    return { status: 202, headers: { location: `/deliveries/${params.id}` }, body: toDeliveryResource(replayed) }
  })

  const replaySince = defineEndpoint(routes.replayWebhookEndpoint, async ({ caller, params, body }) => {
    const endpoint = await readOwnEndpoint(store, caller, params.id)
    const [since, until] = [Date.parse(body.since), body.until === undefined ? Infinity : Date.parse(body.until)]
    if (until < since) throw invalid([{ pointer: '/until', code: 'too_early', detail: 'must not be before since' }])
    let replayed = 0
    for (let before: string | null = null; ;) {
      const ids = await store.deliveries.listIds(endpoint.id, before, REPLAY_PAGE)
      const page = await store.deliveries.readMany(endpoint.id, ids)
      for (const record of page) {
        if (
          record.state.status === 'failed' &&
          record.event.at >= since &&
          record.event.at <= until &&
          (await store.deliveries.replay(record, Date.now()))
        )
          replayed += 1
      }
      before = ids.at(-1) ?? null
      // Newest first: what comes after is older still.
      if (ids.length < REPLAY_PAGE || page.every((record) => record.event.at < since)) break
    }
    await schedule.wake(endpointLane(endpoint.id))
    return { status: 202, body: { replayed } }
  })

  return [
    create,
    defineEndpoint(routes.listWebhookEndpoints, async ({ tenantId, caller, query }) => {
      const { records, next } = await store.webhookEndpoints.list(tenantId, toPageOptions(query))
      const { shown, unreadable } = await showEach(
        records.filter((record) => isOwn(caller, record)),
        show,
      )
      return {
        status: 200,
        body: withUnreadable(
          fitPage(shown, next, ({ id }) => id),
          unreadable,
        ),
      }
    }),
    defineEndpoint(routes.readWebhookEndpoint, async ({ caller, params }) => ({
      status: 200,
      body: await show(await readOwnEndpoint(store, caller, params.id)),
    })),
    update,
    remove,
    test,
    rotate,
    replaySince,
    defineEndpoint(routes.listDeliveries, async ({ caller, params, query }) => ({
      status: 200,
      body: await findDeliveries(store, await readOwnEndpoint(store, caller, params.id), query),
    })),
    defineEndpoint(routes.readDelivery, async ({ caller, params }) => ({
      status: 200,
      body: toDeliveryResource(await readOwnDelivery(store, caller, params.id)),
    })),
    replay,
    rotateCallback,
  ]
}

const toIso = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString())
