import { defaultLimits, refuseLarge, type Limits } from '@muster/contracts/bounds'
import { endpointEvent } from '@muster/domain/event-of-change'
import { endpointLane } from '@muster/domain/lane-id'
import {
  newEndpointRecord,
  type WebhookEndpointRecord,
  type WebhookEndpointSecrets,
} from '@muster/domain/webhook-endpoint/record'
import { v5 as uuidv5 } from 'uuid'
import { bindings } from '../crypto/bindings.ts'
import type { Keyring } from '../crypto/keyring.ts'
import { addWithin, pageOf, type PageOptions } from '../redis/bounded-index.ts'
import type { Redis } from '../redis/connect.ts'
import { keys } from '../redis/keys.ts'
import { createRecord, readRecords, updateRecord } from '../redis/versioned.ts'
import { createCallbackSecrets } from './callback-secrets.ts'

/** Longer than any delivery is kept. */
const INDEX_KEPT_MS = 400 * 86_400_000
/** Any fixed UUID will do: it only keeps these ids apart from others made the same way. */
const CALLBACK_NAMESPACE = '7f0e1f0a-52a4-4f0a-9c39-4f8d3f4b8f5e'

interface WebhookEndpointsOptions {
  redis: Redis
  keyring: Keyring
  limits?: Limits
}

export type WebhookEndpoints = ReturnType<typeof createWebhookEndpoints>

export function createWebhookEndpoints(options: WebhookEndpointsOptions) {
  return {
    ...createEndpointRecords(options),
    ...createEndpointLists(options),
    ...createEndpointChanges(options),
    ...createCallbackSecrets(options),
  }
}

async function readVersioned(redis: Redis, endpointId: string) {
  const key = keys.webhookEndpoint(endpointId)
  const [record, version, sealed = null] = await redis.hmgetBuffer(key, 'record', 'version', 'credentials')
  return record && version
    ? { record: JSON.parse(record.toString()) as WebhookEndpointRecord, version: version.toString(), sealed }
    : undefined
}

const open = (keyring: Keyring, sealed: Buffer, endpointId: string): WebhookEndpointSecrets =>
  keyring.open(sealed, bindings.webhookEndpoint.credentials(endpointId)) as WebhookEndpointSecrets

const seal = (keyring: Keyring, secrets: WebhookEndpointSecrets, endpointId: string): Buffer =>
  keyring.seal(secrets, bindings.webhookEndpoint.credentials(endpointId))

const indexOf = ({ kind, tenantId }: WebhookEndpointRecord): string =>
  kind === 'callback' ? keys.tenantCallbackEndpoints(tenantId) : keys.tenantWebhookEndpoints(tenantId)

function createEndpointRecords({ redis, keyring, limits = defaultLimits }: WebhookEndpointsOptions) {
  /** @throws BoundReachedError, TooLargeError */
  async function create(record: WebhookEndpointRecord, secrets: WebhookEndpointSecrets): Promise<void> {
    const bound = record.kind === 'callback' ? 'callbackHosts' : 'webhookEndpoints'
    refuseLarge(bound, Buffer.byteLength(JSON.stringify([record, secrets])))
    await addWithin(redis, limits, { bound, kind: 'set', key: indexOf(record), id: record.id })
    await createRecord(redis, {
      key: keys.webhookEndpoint(record.id),
      source: { kind: 'endpoint', id: record.id },
      record: JSON.stringify(record),
      sealed: seal(keyring, secrets, record.id),
    })
  }

  return {
    create,
    read: async (endpointId: string): Promise<WebhookEndpointRecord | undefined> =>
      (await readVersioned(redis, endpointId))?.record,

    async readSecrets(endpointId: string): Promise<WebhookEndpointSecrets | undefined> {
      const sealed = await redis.hgetBuffer(keys.webhookEndpoint(endpointId), 'credentials')
      return sealed ? open(keyring, sealed, endpointId) : undefined
    },

    /** The lane for one host of callback addresses, and mode; always the same one for the same host. */
    async ensureCallbackEndpoint(
      tenantId: string,
      callbackUrl: string,
      now: number,
      mode?: 'test',
    ): Promise<WebhookEndpointRecord> {
      const { origin } = new URL(callbackUrl)
      const id = uuidv5([tenantId, origin, ...(mode ? [mode] : [])].join(' '), CALLBACK_NAMESPACE)
      const present = await readVersioned(redis, id)
      if (present) return present.record
      const record = newEndpointRecord({ id, tenantId, kind: 'callback', ...(mode ? { mode } : {}) }, now)
      await create(record, { url: origin, secrets: [], signingKey: null })
      return record
    },

    async remove(record: WebhookEndpointRecord): Promise<void> {
      const { id } = record
      // The record first: without it nothing more is sent.
      await redis.del(keys.webhookEndpoint(id), keys.eventOutbox({ kind: 'endpoint', id }))
      // Its deliveries are removed one by one: should that break off, the rest of their indexes expires as they do.
      for (const index of [keys.deliveries(id), keys.pendingDeliveries(id), keys.outbox(endpointLane(id))])
        await redis.pexpire(index, INDEX_KEPT_MS)
      await redis.srem(indexOf(record), id)
    },
  }
}

function createEndpointLists({ redis }: WebhookEndpointsOptions) {
  const readAll = (ids: readonly string[]): Promise<WebhookEndpointRecord[]> =>
    readRecords<WebhookEndpointRecord>(redis, ids.map(keys.webhookEndpoint))

  /** Of both kinds. */
  const listIds = (tenantId: string): Promise<string[]> =>
    redis.sunion(keys.tenantWebhookEndpoints(tenantId), keys.tenantCallbackEndpoints(tenantId))

  return {
    listIds,
    /** A page of both kinds, by id. */
    async list(
      tenantId: string,
      page: PageOptions,
    ): Promise<{ records: WebhookEndpointRecord[]; next: string | null }> {
      const { ids, next } = pageOf(await listIds(tenantId), page)
      return { records: await readAll(ids), next }
    },
    listRegistered: async (tenantId: string): Promise<WebhookEndpointRecord[]> =>
      readAll(await redis.smembers(keys.tenantWebhookEndpoints(tenantId))),
  }
}

function createEndpointChanges({ redis, keyring }: WebhookEndpointsOptions) {
  /**
   * Secrets are changed over the version they were read with, as the record is: a new secret that was shown must not be
   * overwritten.
   */
  const update = (
    endpointId: string,
    change: (record: WebhookEndpointRecord) => WebhookEndpointRecord | undefined,
    changeSecrets?: (secrets: WebhookEndpointSecrets) => WebhookEndpointSecrets,
  ): Promise<WebhookEndpointRecord | undefined> =>
    updateRecord(redis, {
      key: keys.webhookEndpoint(endpointId),
      source: { kind: 'endpoint', id: endpointId },
      read: () => readVersioned(redis, endpointId),
      change,
      toSealed: ({ sealed }) =>
        changeSecrets && sealed
          ? seal(keyring, changeSecrets(open(keyring, sealed, endpointId)), endpointId)
          : undefined,
      toEvent: endpointEvent,
    })

  return {
    update,

    /** Another address, another secret. @param change gets the present secrets, and runs again after a conflict. */
    updateSecrets: (
      endpointId: string,
      change: (secrets: WebhookEndpointSecrets) => WebhookEndpointSecrets,
      now: number,
    ): Promise<WebhookEndpointRecord | undefined> =>
      update(endpointId, (record) => ({ ...record, updatedAt: now }), change),
  }
}
