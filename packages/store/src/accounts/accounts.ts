import { defaultLimits, refuseLarge, type Limits } from '@muster/contracts/bounds'
import type { Credentials } from '@muster/contracts/integrated-account'
import type { AccountRecord } from '@muster/domain/account/record'
import { hold, noteRecheck, release, replaceCredentials } from '@muster/domain/account/state'
import { accountEvent } from '@muster/domain/event-of-change'
import { accountLane } from '@muster/domain/lane-id'
import { bindings } from '../crypto/bindings.ts'
import type { Keyring } from '../crypto/keyring.ts'
import { addWithin, pageOf, type PageOptions } from '../redis/bounded-index.ts'
import type { Redis } from '../redis/connect.ts'
import { keys } from '../redis/keys.ts'
import { defineScript } from '../redis/script.ts'
import { createRecord, readRecords, updateRecord } from '../redis/versioned.ts'

/** In one step: an operation that was accepted in between would never be run. Resolves with 0 where one is open. */
const removeScript = defineScript({
  keys: ['open', 'index'],
  args: ['retentionMs'],
  keyList: 'removed',
  lua: `
if redis.call('ZCARD', open) > 0 then return 0 end
redis.call('DEL', unpack(removed))
redis.call('PEXPIRE', index, retentionMs)
return 1
`,
})

export type Accounts = ReturnType<typeof createAccounts>

/** @throws TooLargeError. Credentials have bounds of their own, field by field. */
export const refuseLargeAccount = (record: AccountRecord): void =>
  refuseLarge('integratedAccounts', Buffer.byteLength(JSON.stringify(record)))

interface AccountsOptions {
  redis: Redis
  keyring: Keyring
  limits?: Limits
}

export function createAccounts(options: AccountsOptions) {
  return { ...createAccountRecords(options), ...createAccountChanges(options) }
}

const sealCredentials = (keyring: Keyring, accountId: string, credentials: Credentials): Buffer =>
  keyring.seal(credentials, bindings.account.credentials(accountId))

function createAccountRecords({ redis, keyring, limits = defaultLimits }: AccountsOptions) {
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
      credentials: keyring.open(sealed, bindings.account.credentials(accountId)) as Credentials,
      credentialsVersion: (JSON.parse(record.toString()) as AccountRecord).credentialsVersion,
    }
  }

  /** Those that are there, in the order asked for. */
  const readMany = (ids: readonly string[]): Promise<AccountRecord[]> =>
    readRecords<AccountRecord>(redis, ids.map(keys.account))

  return {
    readVersionedCredentials,
    readMany,

    /** @throws BoundReachedError, TooLargeError */
    async create(record: AccountRecord, credentials: Credentials): Promise<void> {
      refuseLargeAccount(record)
      const { id, tenantId } = record
      await addWithin(redis, limits, {
        bound: 'integratedAccounts',
        kind: 'set',
        key: keys.tenantAccounts(tenantId),
        id,
      })
      await redis.sadd(keys.accounts, id)
      const sealed = sealCredentials(keyring, id, credentials)
      await createRecord(redis, {
        key: keys.account(id),
        source: { kind: 'account', id },
        record: JSON.stringify(record),
        sealed,
      })
    },

    read: async (accountId: string): Promise<AccountRecord | undefined> =>
      (await readVersioned(redis, accountId))?.record,

    readCredentials: async (accountId: string): Promise<Credentials | undefined> =>
      (await readVersionedCredentials(accountId))?.credentials,

    /** A page, by id. */
    async list(tenantId: string, page: PageOptions): Promise<{ records: AccountRecord[]; next: string | null }> {
      const { ids, next } = pageOf(await redis.smembers(keys.tenantAccounts(tenantId)), page)
      return { records: await readMany(ids), next }
    },

    listIds: (): Promise<string[]> => redis.smembers(keys.accounts),

    /**
     * With everything that is the account's alone; its index expires with the last of its operations. Resolves with
     * false, and nothing is removed, while one of them has not ended.
     * @param retentionMs how long that last one is kept at most
     */
    async remove({ id, tenantId }: AccountRecord, retentionMs: number): Promise<boolean> {
      const removed = await removeScript(redis, {
        open: keys.openOperations(id),
        index: keys.operations(id),
        retentionMs,
        removed: [
          keys.account(id),
          keys.accessToken(id),
          keys.accessTokenLock(id),
          keys.outbox(accountLane(id)),
          keys.eventOutbox({ kind: 'account', id }),
          keys.liveLogins(id),
          keys.openWork(id),
        ],
      })
      if (removed === 0) return false
      await redis.multi().srem(keys.accounts, id).srem(keys.tenantAccounts(tenantId), id).exec()
      return true
    },
  }
}

async function readVersioned(
  redis: Redis,
  accountId: string,
): Promise<{ record: AccountRecord; version: string } | undefined> {
  const [record, version] = await redis.hmget(keys.account(accountId), 'record', 'version')
  return record && version ? { record: JSON.parse(record) as AccountRecord, version } : undefined
}

/** The changes of the domain, each written over the version that was read. */
function createAccountChanges({ redis, keyring }: AccountsOptions) {
  /** `change` may run again when another writer comes in between; undefined leaves the record as it is. */
  const update = (
    accountId: string,
    change: (record: AccountRecord) => AccountRecord | undefined,
    credentials?: Credentials,
  ): Promise<AccountRecord | undefined> =>
    updateRecord(redis, {
      key: keys.account(accountId),
      source: { kind: 'account', id: accountId },
      read: () => readVersioned(redis, accountId),
      change,
      toSealed: () => credentials && sealCredentials(keyring, accountId, credentials),
      toEvent: accountEvent,
    })

  return {
    update,

    /** @param change may also change what came with the credentials. */
    async replaceCredentials(
      accountId: string,
      credentials: Credentials,
      change: (record: AccountRecord) => AccountRecord,
      now: number,
    ): Promise<AccountRecord | undefined> {
      const next = (record: AccountRecord) => replaceCredentials(change(record), credentials.type, now)
      const written = await update(accountId, next, credentials)
      await redis.del(keys.accessToken(accountId))
      return written
    },

    /** The provider rotated the refresh token, so the old one no longer works. The version stays. */
    async saveRotatedCredentials(
      accountId: string,
      credentials: Credentials,
      credentialsVersion: number,
    ): Promise<void> {
      const keep = (record: AccountRecord) => (record.credentialsVersion === credentialsVersion ? record : undefined)
      await update(accountId, keep, credentials)
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
  }
}
