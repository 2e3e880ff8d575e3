import type { AccountLimits, AccountStatus, Credentials } from '@muster/contracts/integrated-account'
import type { JsonObject } from '@muster/contracts/json'
import type { ProviderId } from '@muster/contracts/provider-ids'
import type { Keyring } from './keyring.ts'
import { keys } from './keys.ts'
import type { Redis } from './redis.ts'
import { toAccountEvent } from './stored-event.ts'
import { putRecordScript } from './versioned-record.ts'

export interface AccountRecord {
  id: string
  tenantId: string
  provider: ProviderId
  name: string
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
}

const boundTo = (accountId: string): string => `account:${accountId}:credentials`

export type Accounts = ReturnType<typeof createAccounts>

export function createAccounts({ redis, keyring }: { redis: Redis; keyring: Keyring }) {
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
      const event = toAccountEvent(present.record, next, Number(present.version) + 1)
      const written = await putRecordScript(
        redis,
        [keys.account(accountId), keys.eventOutbox(accountId)],
        [
          present.version,
          JSON.stringify(next),
          credentials ? keyring.seal(credentials, boundTo(accountId)) : '',
          event ? JSON.stringify(event) : '',
          event?.at ?? 0,
        ],
      )
      if (written !== null) return next
    }
  }

  return {
    async create(record: AccountRecord, credentials: Credentials): Promise<void> {
      await redis.multi().sadd(keys.accounts, record.id).sadd(keys.tenantAccounts(record.tenantId), record.id).exec()
      await putRecordScript(
        redis,
        [keys.account(record.id), keys.eventOutbox(record.id)],
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

    async list(tenantId: string): Promise<AccountRecord[]> {
      const ids = (await redis.smembers(keys.tenantAccounts(tenantId))).sort()
      const pipeline = redis.pipeline()
      for (const id of ids) pipeline.hget(keys.account(id), 'record')
      return ((await pipeline.exec()) ?? []).flatMap(([, record]) =>
        typeof record === 'string' ? [JSON.parse(record) as AccountRecord] : [],
      )
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
          const next = {
            ...change(record),
            credentialType: credentials.type,
            credentialsVersion: record.credentialsVersion + 1,
            updatedAt: now,
          }
          return record.status === 'needs_reauth' || record.status === 'permission_denied'
            ? { ...next, status: 'active', statusReason: null, statusSince: now }
            : next
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
          ? { ...record, status, statusReason: reason, statusSince: now, updatedAt: now }
          : undefined,
      )
    },

    async remove(record: AccountRecord): Promise<void> {
      await redis.del(keys.account(record.id), keys.accessToken(record.id))
      await redis.multi().srem(keys.accounts, record.id).srem(keys.tenantAccounts(record.tenantId), record.id).exec()
    },
  }
}
