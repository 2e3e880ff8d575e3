import { defaultLimits, refuseLarge, type Limits } from '@muster/contracts/bounds'
import type { AccountLimits, AccountStatus, Credentials } from '@muster/contracts/integrated-account'
import type { JsonObject } from '@muster/contracts/json'
import type { ProviderId } from '@muster/contracts/provider-ids'
import { asSentence } from '@muster/contracts/sentence'
import { accountLane } from '@muster/domain/lane-id'
import { addWithin, pageOf, type PageOptions } from '../redis/bounded-index.ts'
import type { Keyring } from '../crypto/keyring.ts'
import { keys } from '../redis/keys.ts'
import { defineScript, type Redis } from '../redis/connect.ts'
import { accountEvent } from '@muster/domain/event-of-change'
import { identifyEvent } from '../webhooks/identify-event.ts'
import { putRecordScript } from '../redis/versioned.ts'

/** The provider asked to be left alone. */
export interface Cooldown {
  /** Unix milliseconds. */
  until: number
  reason: string
  /** How often it was tried meanwhile. */
  probes: number
}

export interface AccountRecord {
  id: string
  tenantId: string
  provider: ProviderId
  name: string
  /** Absent: live. Never changes. */
  mode?: 'test'
  status: AccountStatus
  statusReason: string | null
  statusSince: number
  credentialType: Credentials['type']
  /** Grows with every change of the credentials, so that a refusal of old ones is not held against new ones. */
  credentialsVersion: number
  config: JsonObject
  limits: AccountLimits
  createdAt: number
  updatedAt: number
  /** Checks of the credentials since the account was put on hold; absent before the first hold. */
  recheck?: { count: number; lastAt: number }
  /** Absent in records of before there was one. */
  cooldown?: Cooldown | null
}

const MAX_RECHECK_MS = 6 * 3_600_000
/** An account that a check took off hold, and that is refused again within this time, is checked no sooner than before. */
const RELAPSE_MS = 24 * 3_600_000

export const isHeld = ({ status }: Pick<AccountRecord, 'status'>): boolean =>
  status === 'needs_reauth' || status === 'permission_denied'

/** When the credentials of an account on hold are to be checked: each wait is twice as long as the one before. */
export function recheckAt(record: AccountRecord, firstRecheckMs: number): number {
  const { count, lastAt } = record.recheck ?? { count: 0, lastAt: record.statusSince }
  return lastAt + Math.min(MAX_RECHECK_MS, firstRecheckMs * 2 ** Math.min(count, 30))
}

function firstRecheckOf({ recheck, statusSince }: AccountRecord, now: number): AccountRecord['recheck'] {
  const isRelapse = recheck !== undefined && now - statusSince < RELAPSE_MS
  return { count: isRelapse ? recheck.count + 1 : 0, lastAt: now }
}

const toTime = (at: number): string => new Date(at).toISOString()

/**
 * KEYS open operations, index of operations, account, then what else leaves with it. ARGV retention.
 * In one step: an operation that was accepted in between would have nobody who runs it.
 */
const removeScript = defineScript(`
if redis.call('ZCARD', KEYS[1]) > 0 then return 0 end
redis.call('DEL', unpack(KEYS, 3))
redis.call('PEXPIRE', KEYS[2], ARGV[1])
return 1
`)

const boundTo = (accountId: string): string => `account:${accountId}:credentials`

export type Accounts = ReturnType<typeof createAccounts>

/** @throws TooLargeError. Credentials have bounds of their own, field by field. */
export const refuseLargeAccount = (record: AccountRecord): void =>
  refuseLarge('integratedAccounts', Buffer.byteLength(JSON.stringify(record)))

export function createAccounts({
  redis,
  keyring,
  limits = defaultLimits,
}: {
  redis: Redis
  keyring: Keyring
  limits?: Limits
}) {
  async function readVersioned(accountId: string): Promise<{ record: AccountRecord; version: string } | undefined> {
    const [record, version] = await redis.hmget(keys.account(accountId), 'record', 'version')
    return record && version ? { record: JSON.parse(record) as AccountRecord, version } : undefined
  }

  /**
   * Both of one moment: a refresh token that the provider has just rotated must be saved over the credentials that it
   * was rotated for.
   */
  async function readVersionedCredentials(
    accountId: string,
  ): Promise<{ credentials: Credentials; credentialsVersion: number } | undefined> {
    const [record, sealed] = await redis.hmgetBuffer(keys.account(accountId), 'record', 'credentials')
    if (!record || !sealed) return undefined
    return {
      credentials: keyring.open(sealed, boundTo(accountId)) as Credentials,
      credentialsVersion: (JSON.parse(record.toString()) as AccountRecord).credentialsVersion,
    }
  }

  async function update(
    accountId: string,
    change: (record: AccountRecord) => AccountRecord | undefined,
    credentials?: Credentials,
  ): Promise<AccountRecord | undefined> {
    for (;;) {
      const present = await readVersioned(accountId)
      if (!present) return undefined
      const next = change(present.record)
      if (!next) return present.record
      const event = accountEvent(present.record, next, Number(present.version) + 1)
      const written = await putRecordScript(
        redis,
        [keys.account(accountId), keys.eventOutbox({ kind: 'account', id: accountId })],
        [
          present.version,
          JSON.stringify(next),
          credentials ? keyring.seal(credentials, boundTo(accountId)) : '',
          event ? JSON.stringify(identifyEvent(event)) : '',
          event?.at ?? 0,
        ],
      )
      if (written !== null) return next
    }
  }

  /** Those that are there, in the order asked for. */
  async function readMany(ids: readonly string[]): Promise<AccountRecord[]> {
    const pipeline = redis.pipeline()
    for (const id of ids) pipeline.hget(keys.account(id), 'record')
    return ((await pipeline.exec()) ?? []).flatMap(([, record]) =>
      typeof record === 'string' ? [JSON.parse(record) as AccountRecord] : [],
    )
  }

  return {
    /** @throws BoundReachedError, TooLargeError */
    async create(record: AccountRecord, credentials: Credentials): Promise<void> {
      refuseLargeAccount(record)
      await addWithin(redis, limits, {
        bound: 'integratedAccounts',
        kind: 'set',
        key: keys.tenantAccounts(record.tenantId),
        entry: [record.id],
      })
      await redis.sadd(keys.accounts, record.id)
      await putRecordScript(
        redis,
        [keys.account(record.id), keys.eventOutbox({ kind: 'account', id: record.id })],
        ['', JSON.stringify(record), keyring.seal(credentials, boundTo(record.id)), '', 0],
      )
    },

    async read(accountId: string): Promise<AccountRecord | undefined> {
      return (await readVersioned(accountId))?.record
    },

    async readCredentials(accountId: string): Promise<Credentials | undefined> {
      return (await readVersionedCredentials(accountId))?.credentials
    },

    readVersionedCredentials,

    readMany,

    /** A page, by id. */
    async list(tenantId: string, page: PageOptions): Promise<{ records: AccountRecord[]; next: string | null }> {
      const { ids, next } = pageOf(await redis.smembers(keys.tenantAccounts(tenantId)), page)
      return { records: await readMany(ids), next }
    },

    listIds: (): Promise<string[]> => redis.smembers(keys.accounts),

    /** `change` may run again when somebody else writes meanwhile; undefined leaves the record as it is. */
    update,

    /** New credentials are a new start: an account on hold for the old ones becomes active. */
    async replaceCredentials(
      accountId: string,
      credentials: Credentials,
      change: (record: AccountRecord) => AccountRecord,
      now: number,
    ): Promise<AccountRecord | undefined> {
      const written = await update(
        accountId,
        (record) => {
          const next: AccountRecord = {
            ...change(record),
            credentialType: credentials.type,
            credentialsVersion: record.credentialsVersion + 1,
            updatedAt: now,
          }
          // Nothing that the old ones met counts against the new ones.
          delete next.recheck
          return isHeld(record) ? { ...next, status: 'active', statusReason: null, statusSince: now } : next
        },
        credentials,
      )
      await redis.del(keys.accessToken(accountId))
      return written
    },

    /** A provider that rotates refresh tokens has just killed the old one. Not a new start, so the version stays. */
    async saveRotatedCredentials(
      accountId: string,
      credentials: Credentials,
      credentialsVersion: number,
    ): Promise<void> {
      await update(
        accountId,
        (record) => (record.credentialsVersion === credentialsVersion ? { ...record } : undefined),
        credentials,
      )
    },

    /** Puts the account on hold, unless its credentials were replaced since the call that failed. */
    async hold(
      accountId: string,
      status: 'needs_reauth' | 'permission_denied',
      reason: string,
      credentialsVersion: number,
      now: number,
    ): Promise<AccountRecord | undefined> {
      return update(accountId, (record) =>
        record.status === 'active' && record.credentialsVersion === credentialsVersion
          ? {
              ...record,
              status,
              statusReason: reason,
              statusSince: now,
              updatedAt: now,
              recheck: firstRecheckOf(record, now),
            }
          : undefined,
      )
    },

    /** A check did not succeed. @param reason what it was told; null where it got no answer about the credentials. */
    async noteRecheck(
      accountId: string,
      reason: string | null,
      credentialsVersion: number,
      now: number,
    ): Promise<AccountRecord | undefined> {
      return update(accountId, (record) =>
        isHeld(record) && record.credentialsVersion === credentialsVersion
          ? {
              ...record,
              statusReason:
                reason === null ? record.statusReason : `${asSentence(reason)} Checked again at ${toTime(now)}.`,
              recheck: { count: (record.recheck?.count ?? 0) + 1, lastAt: now },
              updatedAt: now,
            }
          : undefined,
      )
    },

    /** A check succeeded: what waits is tried again. */
    async release(accountId: string, credentialsVersion: number, now: number): Promise<AccountRecord | undefined> {
      return update(accountId, (record) =>
        isHeld(record) && record.credentialsVersion === credentialsVersion
          ? {
              ...record,
              status: 'active',
              statusReason: `A check call was answered at ${toTime(now)}.`,
              statusSince: now,
              updatedAt: now,
            }
          : undefined,
      )
    },

    /**
     * With everything that is the account's alone; its index leaves with the last of its operations. Resolves with
     * false, and nothing is removed, while one of them has not ended.
     * @param retentionMs how long that last one is kept at most
     */
    async remove(record: AccountRecord, retentionMs: number): Promise<boolean> {
      const removed = await removeScript(
        redis,
        [
          keys.openOperations(record.id),
          keys.operations(record.id),
          keys.account(record.id),
          keys.accessToken(record.id),
          keys.accessTokenLock(record.id),
          keys.outbox(accountLane(record.id)),
          keys.eventOutbox({ kind: 'account', id: record.id }),
          keys.liveLogins(record.id),
          keys.openWork(record.id),
        ],
        [retentionMs],
      )
      if (removed === 0) return false
      await redis.multi().srem(keys.accounts, record.id).srem(keys.tenantAccounts(record.tenantId), record.id).exec()
      return true
    },
  }
}
