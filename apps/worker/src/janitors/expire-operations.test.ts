import { keys } from '@muster/store/redis/keys'
import { openStore } from '@muster/store/store'
import { expect, test } from 'vitest'
import {
  newAccount,
  newHead,
  newKeyring,
  newRequest,
  newState,
  useRedis,
} from '../../../../packages/store/test/redis.ts'
import { expireOperations } from './expire-operations.ts'

const connect = useRedis()

test('one record that cannot be read keeps no other from expiring, however many there are', async () => {
  const redis = connect()
  const store = openStore({ redis, keyring: newKeyring(), retentionMs: 86_400_000, waitReplicas: 0 })
  const account = newAccount()
  await store.accounts.create(account, { type: 'api_token', api_token: 'x' })
  const now = Date.now()
  const heads = Array.from({ length: 3 }, () => newHead({ accountId: account.id, tenantId: account.tenantId }))
  for (const [index, head] of heads.entries()) {
    const state = newState({ expiresAt: now - 1_000 + index })
    await store.operations.accept({ head, state, request: newRequest(), fingerprint: head.id })
  }
  const first = heads[0] ?? newHead({ accountId: '', tenantId: '' })
  await redis.hset(keys.operation(account.id, first.id), 'record', Buffer.from([99]))

  const unreadable: string[] = []
  expect(await expireOperations(store, account.id, now, ({ record }) => unreadable.push(record))).toBe(2)
  expect(unreadable).toEqual([`operation:${first.id}:record`])
  expect(await redis.hgetBuffer(keys.operation(account.id, first.id), 'record')).toEqual(Buffer.from([99]))
  expect(await store.operations.countOpen(account.id)).toBe(1)
})
