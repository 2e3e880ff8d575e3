import { createCipheriv, randomBytes } from 'node:crypto'
import { deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { newHead, newKeyring, newState } from '../../test/redis.ts'
import { createBatchId, itemIdOf } from '../batches/batch-item-id.ts'
import { bindings } from '../crypto/bindings.ts'
import { Keyring } from '../crypto/keyring.ts'
import type { OperationState } from '@muster/domain/operation/record'
import { createRecordCodec, resealRecord } from './record-codec.ts'
import { UnreadableError } from '../crypto/unreadable.ts'

const keyring = newKeyring()
const { decodeRecord, encodeRecord } = createRecordCodec(keyring)
const head = newHead({ accountId: 'a', tenantId: 't' })

describe('a packed record', () => {
  test('comes back as it was, whatever it says', () => {
    const text = fc.string({ unit: 'binary', maxLength: 200 })
    fc.assert(
      fc.property(
        text,
        fc.option(text),
        fc.jsonValue(),
        fc.nat(),
        fc.array(text, { maxLength: 30 }),
        (requestId, reference, raw, version, details) => {
          const before = { ...head, requestId, reference }
          const state = newState({
            run: version,
            warnings: details.map((detail) => ({ code: 'derived', pointer: null, detail })),
            error: {
              code: 'internal',
              message: requestId,
              origin: 'provider',
              retryable: false,
              pointer: null,
              provider_status: null,
              raw_response: JSON.parse(JSON.stringify(raw)) as unknown,
              hint: '',
            },
          })
          expect(decodeRecord(head.accountId, head.id, encodeRecord(before, state))).toEqual({ head: before, state })
        },
      ),
    )
  })

  test('takes a quarter of its JSON while it waits', () => {
    expect(encodeRecord(head, newState()).length).toBeLessThan(JSON.stringify([head, newState()]).length / 3)
  })

  test.each([[0], [4], [0x7b]])(
    'of a number that this version does not know (%i) is refused by that, not by what the unpacking says',
    (number) => {
      const blob = encodeRecord(head, newState())
      blob[0] = number
      expect(() => decodeRecord('a', head.id, blob)).toThrow(
        `a record of codec ${number}: this version of Muster reads codecs 1, 2, 3`,
      )
      expect(() => decodeRecord('a', head.id, Buffer.alloc(0))).toThrow('a record of codec undefined')
    },
  )
})

const batchId = createBatchId(Date.now())
const row = { ...head, id: itemIdOf(batchId, 7), batchId }

test('a record of a row comes back as it was, the batch that its id holds included', () => {
  expect(decodeRecord('a', row.id, encodeRecord(row, newState())).head).toEqual(row)
})

test('of a success, the hash of its login is not kept', () => {
  const succeeded: OperationState = newState({ status: 'succeeded' })
  expect(decodeRecord('a', row.id, encodeRecord(row, succeeded)).head).toEqual({ ...row, naturalKeyHash: '' })
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
  const blob = Buffer.concat([
    Buffer.from([1, 1]),
    Buffer.from('k'),
    encrypt(keyEncryptionKey, dataKey, 'key|b'),
    Buffer.from([1]),
    encrypt(dataKey, deflateRawSync(JSON.stringify(value)), 'deflated|b'),
  ])
  expect(Keyring.parse(`k:${keyEncryptionKey.toString('base64')}`).open(blob, 'b')).toEqual(value)
})

describe('a sealed record', () => {
  /** Written by the version that sealed none: queued, with the reference ada@example.com. */
  const unsealed = Buffer.from(
    'AotGKRZKSCwXlBJTEh1SKxJzC3JS9ZLzc5VQC4ki9FLC1AAOkAsMgwEoG7AUURlKtTpkJQ8Ub1GcUsCmmUFNG5SJJhYA',
    'base64',
  )
  const id = '01890a5d-ac96-7000-8000-0000000000aa'
  const before = decodeRecord('a', id, unsealed)

  test('of an earlier version is still read, and sealed by resealing', () => {
    expect(before).toMatchObject({ head: { id, reference: 'ada@example.com' }, state: { status: 'queued' } })
    const fresh = resealRecord(keyring, unsealed, bindings.operationRecord(id)) ?? Buffer.alloc(0)
    expect(decodeRecord('a', id, fresh)).toEqual(before)
    expect(resealRecord(keyring, fresh, bindings.operationRecord(id))).toBeUndefined()
  })

  test('opens with no other key, at no other operation, and with no bit changed', () => {
    const sealed = encodeRecord(before.head, before.state)
    expect(() => createRecordCodec(newKeyring()).decodeRecord('a', id, sealed)).toThrow(UnreadableError)
    expect(() => decodeRecord('a', head.id, sealed)).toThrow(UnreadableError)
    for (let at = 0; at < sealed.length; at += 1) {
      const changed = Buffer.from(sealed)
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(() => decodeRecord('a', id, changed), `byte ${at}`).toThrow(UnreadableError)
      expect(() => decodeRecord('a', id, sealed.subarray(0, at)), `${at} bytes`).toThrow(UnreadableError)
    }
  })

  test('takes 40 bytes more than one that was not, at most', () => {
    expect(encodeRecord(before.head, before.state).length).toBeLessThanOrEqual(unsealed.length + 40)
  })
})
