import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { eventSourceText, parseEventSource, type EventSourceRef } from './event-source.ts'
import { accountLane, endpointLane, parseLaneId, toLaneId } from './lane-id.ts'

const id = fc.uuid()

describe('names of lanes and event sources', () => {
  test('are read back as what they were made of', () => {
    fc.assert(
      fc.property(id, fc.constantFrom('account', 'batch', 'endpoint'), (id, kind: EventSourceRef['kind']) => {
        expect(parseEventSource(eventSourceText({ kind, id }))).toEqual({ kind, id })
        expect(parseLaneId(accountLane(id))).toEqual({ kind: 'account', id })
        expect(parseLaneId(endpointLane(id))).toEqual({ kind: 'endpoint', id })
      }),
    )
  })

  test('are as they have always been stored', () => {
    expect([accountLane('a'), endpointLane('e')]).toEqual([toLaneId('a'), toLaneId('webhook-e')])
    expect((['account', 'batch', 'endpoint'] as const).map((kind) => eventSourceText({ kind, id: 'x' }))).toEqual([
      'x',
      'batch-x',
      'webhook-x',
    ])
  })
})
