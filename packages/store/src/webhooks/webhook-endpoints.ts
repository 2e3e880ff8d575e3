import { defaultLimits, refuseLarge, type Limits } from '@muster/contracts/bounds'
import type { ProviderId } from '@muster/contracts/provider-ids'
import type { JsonObject } from '@muster/contracts/json'
import type { WebhookEventType } from '@muster/contracts/webhook-event'
import { endpointLane } from '@muster/domain/lane-id'
import { v5 as uuidv5, v7 as uuidv7 } from 'uuid'
import { addWithin, pageOf, type PageOptions } from '../redis/bounded-index.ts'
import type { Keyring } from '../crypto/keyring.ts'
import { keys } from '../redis/keys.ts'
import type { Redis } from '../redis/connect.ts'
import type { StoredEvent } from './stored-event.ts'
import { putRecordScript, swapValueScript } from '../redis/versioned.ts'

export interface WebhookEndpointRecord {
  id: string
  tenantId: string
  /**
   * callback: the lane of one host of callback addresses; each delivery brings its own address, and the tenant's
   * callback secret signs.
   */
  kind: 'registered' | 'callback'
  /** Told of what is of mode test alone. Absent: of everything. */
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
  /** Attempts that have failed since, and the latest; absent in records of before they were counted. */
  failures?: number
  lastFailureAt?: number
  createdAt: number
  updatedAt: number
}

/** Told of everything, thinly, until its settings say otherwise. */
export const newEndpointRecord = (
  who: Pick<WebhookEndpointRecord, 'id' | 'tenantId' | 'kind' | 'mode'>,
  now: number,
): WebhookEndpointRecord => ({
  ...who,
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

export interface SigningSecret {
  /** whsec_… */
  secret: string
  createdAt: number
  /** When it stops signing; null for the newest. */
  expiresAt: number | null
}

/** Sealed: addresses can carry tokens. */
export interface WebhookEndpointSecrets {
  url: string
  secrets: SigningSecret[]
  signingKey: { privateKey: string; publicKey: string } | null
}

const boundTo = (endpointId: string): string => `webhook-endpoint:${endpointId}:credentials`
export const callbackBoundTo = (tenantId: string, mode?: 'test'): string =>
  `tenant:${tenantId}:callback-secret${mode ? `:${mode}` : ''}`
/** Longer than any delivery. */
const INDEX_KEPT_MS = 400 * 86_400_000
/** Any fixed UUID will do: it only keeps these ids apart from others made the same way. */
const CALLBACK_NAMESPACE = '7f0e1f0a-52a4-4f0a-9c39-4f8d3f4b8f5e'

/** Newest first; those whose time is over are gone. */
export const activeSecrets = (secrets: readonly SigningSecret[], now: number): SigningSecret[] =>
  secrets.filter(({ expiresAt }) => expiresAt === null || expiresAt > now)

/**
 * The new one in front; of the others only the latest signs along, until then. Two at most, so that a header stays a
 * header.
 */
export function rotateSecrets(
  secrets: readonly SigningSecret[],
  secret: string,
  overlapMs: number,
  now: number,
): SigningSecret[] {
  const [previous] = activeSecrets(secrets, now)
  const kept = previous && overlapMs > 0 ? [{ ...previous, expiresAt: now + overlapMs }] : []
  return [{ secret, createdAt: now, expiresAt: null }, ...kept]
}

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
    keyring.open(sealed, boundTo(endpointId)) as WebhookEndpointSecrets

  async function readSecrets(endpointId: string): Promise<WebhookEndpointSecrets | undefined> {
    const sealed = await redis.hgetBuffer(keys.webhookEndpoint(endpointId), 'credentials')
    return sealed ? open(sealed, endpointId) : undefined
  }

  /**
   * Secrets are changed over the version they were read with, as the record is: a new secret that was shown must not be
   * written over.
   */
  async function update(
    endpointId: string,
    change: (record: WebhookEndpointRecord) => WebhookEndpointRecord | undefined,
    changeSecrets?: (secrets: WebhookEndpointSecrets) => WebhookEndpointSecrets,
  ): Promise<WebhookEndpointRecord | undefined> {
    for (;;) {
      const present = await readVersioned(endpointId)
      if (!present) return undefined
      const next = change(present.record)
      if (!next) return present.record
      const sealed =
        changeSecrets && present.sealed
          ? keyring.seal(changeSecrets(open(present.sealed, endpointId)), boundTo(endpointId))
          : ''
      const event = toEndpointEvent(present.record, next, Number(present.version) + 1)
      const written = await putRecordScript(
        redis,
        [keys.webhookEndpoint(endpointId), keys.eventOutbox({ kind: 'endpoint', id: endpointId })],
        [present.version, JSON.stringify(next), sealed, event ? JSON.stringify(event) : '', event?.at ?? 0],
      )
      if (written !== null) return next
    }
  }

  async function readAll(ids: readonly string[]): Promise<WebhookEndpointRecord[]> {
    const pipeline = redis.pipeline()
    for (const id of ids) pipeline.hget(keys.webhookEndpoint(id), 'record')
    return ((await pipeline.exec()) ?? []).flatMap(([, record]) =>
      typeof record === 'string' ? [JSON.parse(record) as WebhookEndpointRecord] : [],
    )
  }

  /** @throws BoundReachedError, TooLargeError */
  async function create(record: WebhookEndpointRecord, secrets: WebhookEndpointSecrets): Promise<void> {
    const bound = record.kind === 'callback' ? 'callbackHosts' : 'webhookEndpoints'
    refuseLarge(bound, Buffer.byteLength(JSON.stringify([record, secrets])))
    await addWithin(redis, limits, { bound, kind: 'set', key: indexOf(record), entry: [record.id] })
    await putRecordScript(
      redis,
      [keys.webhookEndpoint(record.id), keys.eventOutbox({ kind: 'endpoint', id: record.id })],
      ['', JSON.stringify(record), keyring.seal(secrets, boundTo(record.id)), '', 0],
    )
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
    return { secrets: sealed ? (keyring.open(sealed, callbackBoundTo(tenantId, mode)) as SigningSecret[]) : [], sealed }
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
      for (;;) {
        const present = await readCallbackSecrets(tenantId, mode)
        const next = change(present.secrets)
        if (
          (await swapValueScript(
            redis,
            [keys.callbackSecret(tenantId, mode)],
            [present.sealed ?? '', keyring.seal(next, callbackBoundTo(tenantId, mode))],
          )) === 1
        )
          return next
      }
    },
  }
}

const indexOf = ({ kind, tenantId }: WebhookEndpointRecord): string =>
  kind === 'callback' ? keys.tenantCallbackEndpoints(tenantId) : keys.tenantWebhookEndpoints(tenantId)

/** Told when it was disabled by what its receiver did; whoever disables it by hand knows. */
function toEndpointEvent(
  before: WebhookEndpointRecord,
  record: WebhookEndpointRecord,
  version: number,
): StoredEvent | undefined {
  if (before.status === record.status || record.status !== 'disabled' || record.statusReason === DISABLED_BY_HAND)
    return undefined
  const data: JsonObject = {
    webhook_endpoint_id: record.id,
    reason: record.statusReason,
    links: { self: `/webhook-endpoints/${record.id}` },
  }
  return {
    id: uuidv7({ msecs: record.updatedAt }),
    type: 'webhook_endpoint.disabled',
    at: record.updatedAt,
    tenantId: record.tenantId,
    accountId: null,
    provider: null,
    operationId: null,
    sequence: version,
    data,
    hasCallback: false,
  }
}
export const DISABLED_BY_HAND = 'Disabled by hand.'
