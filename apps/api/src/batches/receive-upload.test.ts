import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { createLaneSchedule } from '@muster/lanes/lane-schedule'
import { openStore, type Store } from '@muster/store/store'
import { expect, test } from 'vitest'
import { newBatch } from '../../../../packages/store/test/batches.ts'
import { newKeyring, useRedis } from '../../../../packages/store/test/redis.ts'
import { apiSettingsSchema } from '../config.ts'
import { createApiMetrics } from '../metrics.ts'
import { receiveUpload } from './receive-upload.ts'

const connect = useRedis()
const config = apiSettingsSchema.parse({ MUSTER_ENCRYPTION_KEYS: `k:${Buffer.alloc(32).toString('base64')}` })

test('an upload that cannot begin is not held against the next request, and its batch stays', async () => {
  const redis = connect()
  const store = openStore({ redis, keyring: newKeyring(), retentionMs: 86_400_000, waitReplicas: 0 })
  const record = newBatch({ tenantId: 'acme' })
  await store.batches.create(record, { fingerprint: 'f' })
  const readProgress = (): Promise<never> => Promise.reject(new Error('Redis is away'))
  const away: Store = { ...store, batches: { ...store.batches, readProgress } }
  const upload = {
    record,
    rows: Readable.from([]),
    hash: await store.hasher(),
    requestId: 'r',
    request: new IncomingMessage(new Socket()),
    onNothingAccepted: () => store.batches.remove(record),
  }
  const others = {
    schedule: createLaneSchedule(redis),
    metrics: createApiMetrics(),
    config,
    events: { nudge: () => undefined },
  }
  await expect(receiveUpload({ store: away, ...others }, upload)).rejects.toThrow('Redis is away')
  expect(await store.batches.isUploading(record.id)).toBe(false)
  expect(await receiveUpload({ store, ...others }, upload)).toMatchObject({ id: record.id, status: 'running' })
})
