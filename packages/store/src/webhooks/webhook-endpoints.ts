import { defaultLimits, refuseLarge, type Limits } from '@muster/contracts/bounds'
import { endpointEvent } from '@muster/domain/event-of-change'
import { endpointLane } from '@muster/domain/lane-id'
import {
  newEndpointRecord,
  type WebhookEndpointRecord,
  type WebhookEndpointSecrets,
} from '@muster/domain/webhook-endpoint/record'
import type { SigningSecret } from '@muster/domain/webhook-endpoint/secrets'
import { v5 as uuidv5 } from 'uuid'
import { addWithin, pageOf, type PageOptions } from '../redis/bounded-index.ts'
import { bindings } from '../crypto/bindings.ts'
import type { Keyring } from '../crypto/keyring.ts'
import { keys } from '../redis/keys.ts'
import type { Redis } from '../redis/connect.ts'
import { CONFLICT, createRecord, readRecords, swapValueScript, untilWritten, updateRecord } from '../redis/versioned.ts'

/** Longer than any delivery. */
const INDEX_KEPT_MS = 400 * 86_400_000
/** Any fixed UUID will do: it only keeps these ids apart from others made the same way. */
const CALLBACK_NAMESPACE = '7f0e1f0a-52a4-4f0a-9c39-4f8d3f4b8f5e'

export type WebhookEndpoints = ReturnType<typeof createWebhookEndpoints>

export function createWebhookEndpoints({
  redis,
  keyring,
  limits = defaultLimits,
}: {
  redis: Redis
  keyring: Keyring
  limits?: Limits
}) {
  async function readVersioned(
    endpointId: string,
  ): Promise<{ record: WebhookEndpointRecord; version: string; sealed: Buffer | null } | undefined> {
    const [record, version, sealed = null] = await redis.hmgetBuffer(
      keys.webhookEndpoint(endpointId),
      'record',
      'version',
      'credentials',
    )
    return record && version
      ? { record: JSON.parse(record.toString()) as WebhookEndpointRecord, version: version.toString(), sealed }
      : undefined
  }

  const open = (sealed: Buffer, endpointId: string): WebhookEndpointSecrets =>
    keyring.open(sealed, bindings.webhookEndpoint.credentials(endpointId)) as WebhookEndpointSecrets

  const seal = (secrets: WebhookEndpointSecrets, endpointId: string): Buffer =>
    keyring.seal(secrets, bindings.webhookEndpoint.credentials(endpointId))

  async function readSecrets(endpointId: string): Promise<WebhookEndpointSecrets | undefined> {
    const sealed = await redis.hgetBuffer(keys.webhookEndpoint(endpointId), 'credentials')
    return sealed ? open(sealed, endpointId) : undefined
  }

  /**
   * Secrets are changed over the version they were read with, as the record is: a new secret that was shown must not be
   * written over.
   */
  function update(
    endpointId: string,
    change: (record: WebhookEndpointRecord) => WebhookEndpointRecord | undefined,
    changeSecrets?: (secrets: WebhookEndpointSecrets) => WebhookEndpointSecrets,
  ): Promise<WebhookEndpointRecord | undefined> {
    return updateRecord(redis, {
      key: keys.webhookEndpoint(endpointId),
      source: { kind: 'endpoint', id: endpointId },
      read: () => readVersioned(endpointId),
      change,
      toSealed: ({ sealed }) =>
        changeSecrets && sealed ? seal(changeSecrets(open(sealed, endpointId)), endpointId) : undefined,
      toEvent: endpointEvent,
    })
  }

  const readAll = (ids: readonly string[]): Promise<WebhookEndpointRecord[]> =>
    readRecords<WebhookEndpointRecord>(redis, ids.map(keys.webhookEndpoint))

  /** @throws BoundReachedError, TooLargeError */
  async function create(record: WebhookEndpointRecord, secrets: WebhookEndpointSecrets): Promise<void> {
    const bound = record.kind === 'callback' ? 'callbackHosts' : 'webhookEndpoints'
    refuseLarge(bound, Buffer.byteLength(JSON.stringify([record, secrets])))
    await addWithin(redis, limits, { bound, kind: 'set', key: indexOf(record), id: record.id })
    await createRecord(redis, {
      key: keys.webhookEndpoint(record.id),
      source: { kind: 'endpoint', id: record.id },
      record: JSON.stringify(record),
      sealed: seal(secrets, record.id),
    })
  }

  /** Of both kinds. */
  const listIds = (tenantId: string): Promise<string[]> =>
    redis.sunion(keys.tenantWebhookEndpoints(tenantId), keys.tenantCallbackEndpoints(tenantId))

  /** Of mode test, the live ones sign until there is another: a signature gives nothing away. */
  async function readCallbackSecrets(
    tenantId: string,
    mode?: 'test',
  ): Promise<{ secrets: SigningSecret[]; sealed: Buffer | null }> {
    const sealed = await redis.getBuffer(keys.callbackSecret(tenantId, mode))
    if (sealed === null && mode !== undefined) return { ...(await readCallbackSecrets(tenantId)), sealed }
    return {
      secrets: sealed ? (keyring.open(sealed, bindings.callbackSecret(tenantId, mode)) as SigningSecret[]) : [],
      sealed,
    }
  }

  return {
    create,
    update,
    readSecrets,
    read: async (endpointId: string): Promise<WebhookEndpointRecord | undefined> =>
      (await readVersioned(endpointId))?.record,

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

    /**
     * Another address, another secret. @param change gets the present secrets, and again if somebody else has changed
     * them meanwhile.
     */
    updateSecrets: (
      endpointId: string,
      change: (secrets: WebhookEndpointSecrets) => WebhookEndpointSecrets,
      now: number,
    ): Promise<WebhookEndpointRecord | undefined> =>
      update(endpointId, (record) => ({ ...record, updatedAt: now }), change),

    /** The lane for one host of callback addresses, and mode; always the same one for the same host. */
    async ensureCallbackEndpoint(
      tenantId: string,
      callbackUrl: string,
      now: number,
      mode?: 'test',
    ): Promise<WebhookEndpointRecord> {
      const { origin } = new URL(callbackUrl)
      const id = uuidv5([tenantId, origin, ...(mode ? [mode] : [])].join(' '), CALLBACK_NAMESPACE)
      const present = await readVersioned(id)
      if (present) return present.record
      const record = newEndpointRecord({ id, tenantId, kind: 'callback', ...(mode ? { mode } : {}) }, now)
      await create(record, { url: origin, secrets: [], signingKey: null })
      return record
    },

    async remove(record: WebhookEndpointRecord): Promise<void> {
      // The record first: without it nothing is sent any more.
      await redis.del(keys.webhookEndpoint(record.id), keys.eventOutbox({ kind: 'endpoint', id: record.id }))
      // Its deliveries are removed one by one: should that break off, what is left of their indexes goes as they do.
      for (const index of [
        keys.deliveries(record.id),
        keys.pendingDeliveries(record.id),
        keys.outbox(endpointLane(record.id)),
      ])
        await redis.pexpire(index, INDEX_KEPT_MS)
      await redis.srem(indexOf(record), record.id)
    },

    readCallbackSecrets: async (tenantId: string, mode?: 'test'): Promise<SigningSecret[]> =>
      (await readCallbackSecrets(tenantId, mode)).secrets,

    /** @param change as for `updateSecrets`, of those that sign at present. Resolves with what was written. */
    async updateCallbackSecrets(
      tenantId: string,
      change: (secrets: SigningSecret[]) => SigningSecret[],
      mode?: 'test',
    ): Promise<SigningSecret[]> {
      return untilWritten(async () => {
        const present = await readCallbackSecrets(tenantId, mode)
        const next = change(present.secrets)
        const written = await swapValueScript(redis, {
          value: keys.callbackSecret(tenantId, mode),
          before: present.sealed ?? '',
          next: keyring.seal(next, bindings.callbackSecret(tenantId, mode)),
        })
        return written === 1 ? next : CONFLICT
      })
    },
  }
}

const indexOf = ({ kind, tenantId }: WebhookEndpointRecord): string =>
  kind === 'callback' ? keys.tenantCallbackEndpoints(tenantId) : keys.tenantWebhookEndpoints(tenantId)
