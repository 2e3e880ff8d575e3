import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { newHead, newState } from '../test/redis.ts'
import { decodeRecord, encodeRecord } from './record-codec.ts'

const head = newHead({ accountId: 'a', tenantId: 't' })

describe('a packed record', () => {
  test('comes back as it was, whatever it says', () => {
    const text = fc.string({ unit: 'binary', maxLength: 200 })
    fc.assert(
      fc.property(text, fc.option(text), fc.jsonValue(), fc.nat(), fc.array(text, { maxLength: 30 }), (requestId, reference, raw, version, details) => {
        const before = { ...head, requestId, reference }
        const state = newState({
          run: version,
          warnings: details.map((detail) => ({ code: 'derived', pointer: null, detail })),
          error: { code: 'internal', message: requestId, origin: 'provider', retryable: false, pointer: null, provider_status: null, raw_response: JSON.parse(JSON.stringify(raw)) as never, hint: '' },
        })
        expect(decodeRecord(head.accountId, head.id, encodeRecord(before, state))).toEqual({ head: before, state })
      }),
    )
  })

  test('takes a quarter of its JSON while it waits', () => {
    expect(encodeRecord(head, newState()).length).toBeLessThan(JSON.stringify([head, newState()]).length / 3)
  })

  test.each([[0], [3], [0x7b]])('of a number that this version does not know (%i) is refused by that, not by what the unpacking says', (number) => {
    const blob = encodeRecord(head, newState())
    blob[0] = number
    expect(() => decodeRecord('a', head.id, blob)).toThrow(`a record of codec ${number}: this version of Muster reads codecs 1, 2`)
    expect(() => decodeRecord('a', head.id, Buffer.alloc(0))).toThrow('a record of codec undefined')
  })
})
