import { createCipheriv, randomBytes } from 'node:crypto'
import { deflateRawSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { createBatchId, itemIdOf } from './batch-item-id.ts'
import { Keyring } from './keyring.ts'
import type { OperationHead, OperationState } from './operation-record.ts'
import { decodeRecord, encodeRecord } from './record-codec.ts'

const batchId = createBatchId(Date.now())
const head: OperationHead = { id: itemIdOf(batchId, 7), tenantId: 't', accountId: 'a', provider: 'okta', batchId, reference: 'r', requestId: 'q', createdAt: 1, priority: 10, naturalKeyHash: 'login', idempotencyHash: null, onConflict: 'fail', view: { format: 'unified', ignoreRemoteData: false, excludeFields: [] } }
const state: OperationState = { status: 'queued', statusReason: null, updatedAt: 1, startedAt: null, finishedAt: null, notBefore: null, expiresAt: 2, nextAttemptAt: null, run: 0, attemptCount: 0, usedAttempts: 0, attempts: [], warnings: [], outcome: null, remoteId: null, error: null, unknown: null }

test('a record comes back as it was, the batch that its id holds included', () => {
  expect(decodeRecord('a', head.id, encodeRecord(head, state))).toEqual({ head, state })
  const single = { ...head, id: '01890a5d-ac96-774b-bcce-b302099a8057', batchId: null }
  expect(decodeRecord('a', single.id, encodeRecord(single, state))).toEqual({ head: single, state })
})

test('of a success, the hash of its login is not kept', () => {
  const succeeded: OperationState = { ...state, status: 'succeeded' }
  expect(decodeRecord('a', head.id, encodeRecord(head, succeeded)).head).toEqual({ ...head, naturalKeyHash: '' })
})

test('a record of an unknown codec is refused', () => {
  expect(() => decodeRecord('a', head.id, Buffer.from([9, 0]))).toThrow('newer Muster')
})

test('what was deflated without a dictionary opens still', () => {
  const keyEncryptionKey = randomBytes(32)
  const dataKey = randomBytes(32)
  const encrypt = (key: Buffer, plaintext: Buffer, bound: string): Buffer => {
    const iv = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(bound))
    return Buffer.concat([iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
  }
  const value = { text: 'x'.repeat(200) }
  const blob = Buffer.concat([Buffer.from([1, 1]), Buffer.from('k'), encrypt(keyEncryptionKey, dataKey, 'key|b'), Buffer.from([1]), encrypt(dataKey, deflateRawSync(JSON.stringify(value)), 'deflated|b')])
  expect(Keyring.parse(`k:${keyEncryptionKey.toString('base64')}`).open(blob, 'b')).toEqual(value)
})
