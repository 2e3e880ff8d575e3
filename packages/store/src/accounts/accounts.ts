import { defaultLimits, refuseLarge, type Limits } from '@muster/contracts/bounds'
import type { Credentials } from '@muster/contracts/integrated-account'
import type { AccountRecord } from '@muster/domain/account/record'
import { hold, noteRecheck, release, replaceCredentials } from '@muster/domain/account/state'
import { accountLane } from '@muster/domain/lane-id'
import { addWithin, pageOf, type PageOptions } from '../redis/bounded-index.ts'
import type { Keyring } from '../crypto/keyring.ts'
import { keys } from '../redis/keys.ts'
import { defineScript, type Redis } from '../redis/connect.ts'
import { accountEvent } from '@muster/domain/event-of-change'
import { identifyEvent } from '../webhooks/identify-event.ts'
import { putRecordScript } from '../redis/versioned.ts'

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

    /** @param change may also change what came with the credentials. */
    async replaceCredentials(
      accountId: string,
      credentials: Credentials,
      change: (record: AccountRecord) => AccountRecord,
      now: number,
    ): Promise<AccountRecord | undefined> {
      const written = await update(
        accountId,
        (record) => replaceCredentials(change(record), credentials.type, now),
        credentials,
      )
      await redis.del(keys.accessToken(accountId))
      return written
    },

    /** The provider rotated the refresh token, so the old one no longer works. The version stays. */
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
    hold: (
      accountId: string,
      status: 'needs_reauth' | 'permission_denied',
      reason: string,
      credentialsVersion: number,
      now: number,
    ): Promise<AccountRecord | undefined> =>
      update(accountId, (record) => hold(record, { status, reason, credentialsVersion }, now)),

    noteRecheck: (
      accountId: string,
      reason: string | null,
      credentialsVersion: number,
      now: number,
    ): Promise<AccountRecord | undefined> =>
      update(accountId, (record) => noteRecheck(record, { reason, credentialsVersion }, now)),

    release: (accountId: string, credentialsVersion: number, now: number): Promise<AccountRecord | undefined> =>
      update(accountId, (record) => release(record, credentialsVersion, now)),

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
