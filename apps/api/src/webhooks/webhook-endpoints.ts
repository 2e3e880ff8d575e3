import { routes } from '@muster/contracts/routes'
import { endpointLane } from '@muster/domain/lane-id'
import { newEndpointRecord, type WebhookEndpointRecord } from '@muster/domain/webhook-endpoint/record'
import { setEndpointStatus } from '@muster/domain/webhook-endpoint/state'
import type { Store } from '@muster/store/store'
import { createSecret, createSigningKey } from '@muster/webhooks/secret'
import { v4 as uuidv4 } from 'uuid'
import type { z } from 'zod'
import type { ApiDependencies } from '../dependencies.ts'
import { defineEndpoint } from '../http/endpoint.ts'
import { isOwn, modeOf, readOwnEndpoint } from '../http/own-records.ts'
import { fitPage, toPageOptions } from '../http/page.ts'
import { invalid, notFound, RequestError } from '../http/request-error.ts'
import { showEach, withUnreadable } from '../http/unreadable-records.ts'
import { checkEndpoint } from './check-webhook-url.ts'
import { toEndpointResource } from './webhook-endpoint-resource.ts'

export const webhookEndpointRoutes = (dependencies: ApiDependencies) => [
  createEndpoint(dependencies),
  listEndpoints(dependencies),
  readEndpoint(dependencies),
  updateEndpoint(dependencies),
  deleteEndpoint(dependencies),
]

type Body = z.output<typeof routes.updateWebhookEndpoint.body>

/** The settings that were given; null resets one, an absent one stays. */
function withSettings(record: WebhookEndpointRecord, body: Omit<Body, 'url' | 'status'>): WebhookEndpointRecord {
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

async function show({ webhookEndpoints }: Store, record: WebhookEndpointRecord) {
  const secrets = await webhookEndpoints.readSecrets(record.id)
  if (!secrets) throw notFound('webhook endpoint')
  // Callbacks are signed with the secret of the tenant.
  const signing =
    record.kind === 'callback'
      ? await webhookEndpoints.readCallbackSecrets(record.tenantId, record.mode)
      : secrets.secrets
  return toEndpointResource(record, { ...secrets, secrets: signing }, Date.now())
}

const createEndpoint = (dependencies: ApiDependencies) =>
  defineEndpoint(routes.createWebhookEndpoint, async ({ tenantId, caller, body }) => {
    const problems = await checkEndpoint(dependencies, caller, body)
    if (problems.length > 0) throw invalid(problems)
    const now = Date.now()
    const mode = modeOf(caller)
    const identity = { id: uuidv4(), tenantId, kind: 'registered' as const, ...(mode ? { mode } : {}) }
    const record = withSettings(newEndpointRecord(identity, now), body)
    const secret = createSecret()
    const secrets = {
      url: body.url,
      secrets: [{ secret, createdAt: now, expiresAt: null }],
      signingKey: body.asymmetric ? createSigningKey() : null,
    }
    await dependencies.store.webhookEndpoints.create(record, secrets)
    return {
      status: 201,
      headers: { location: `/webhook-endpoints/${record.id}` },
      body: { ...toEndpointResource(record, secrets, now), secret },
    }
  })

const listEndpoints = ({ store }: ApiDependencies) =>
  defineEndpoint(routes.listWebhookEndpoints, async ({ tenantId, caller, query }) => {
    const { records, next } = await store.webhookEndpoints.list(tenantId, toPageOptions(query))
    const own = records.filter((record) => isOwn(caller, record))
    const { shown, unreadable } = await showEach(own, (record) => show(store, record))
    const page = fitPage(shown, next, ({ id }) => id)
    return { status: 200, body: withUnreadable(page, unreadable) }
  })

const readEndpoint = ({ store }: ApiDependencies) =>
  defineEndpoint(routes.readWebhookEndpoint, async ({ caller, params }) => ({
    status: 200,
    body: await show(store, await readOwnEndpoint(store, caller, params.id)),
  }))

const updateEndpoint = (dependencies: ApiDependencies) =>
  defineEndpoint(routes.updateWebhookEndpoint, async ({ caller, params, body }) => {
    const { store, schedule } = dependencies
    const { url, status, ...settings } = body
    const record = await readOwnEndpoint(store, caller, params.id)
    if (url !== undefined && record.kind === 'callback')
      throw new RequestError('conflict', 'The addresses of a callback endpoint come with the requests.')
    const problems = await checkEndpoint(dependencies, caller, body)
    if (problems.length > 0) throw invalid(problems)
    const now = Date.now()
    if (url !== undefined)
      await store.webhookEndpoints.updateSecrets(params.id, (secrets) => ({ ...secrets, url }), now)
    const written = await store.webhookEndpoints.update(params.id, (latest) => {
      const next = { ...withSettings(latest, settings), updatedAt: now }
      return status === undefined ? next : setEndpointStatus(next, status === 'active' ? 'enable' : 'disable', now)
    })
    if (!written) throw notFound('webhook endpoint')
    await schedule.reload(endpointLane(params.id))
    return { status: 200, body: await show(store, written) }
  })

const deleteEndpoint = ({ store, schedule }: ApiDependencies) =>
  defineEndpoint(routes.deleteWebhookEndpoint, async ({ caller, params }) => {
    await store.webhookEndpoints.remove(await readOwnEndpoint(store, caller, params.id))
    await store.deliveries.removeAll(params.id)
    // The owner of its lane finds it deleted, and closes the lane.
    await schedule.reload(endpointLane(params.id))
    return { status: 204 }
  })
