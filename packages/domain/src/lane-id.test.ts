import fc from 'fast-check'
import { expect, test } from 'vitest'
import { accountLane, endpointLane, parseLaneId, toLaneId } from './lane-id.ts'

test('a lane id is read back as what it was made of', () => {
  fc.assert(
    fc.property(fc.uuid(), (id) => {
      expect(parseLaneId(accountLane(id))).toEqual({ kind: 'account', id })
      expect(parseLaneId(endpointLane(id))).toEqual({ kind: 'endpoint', id })
    }),
  )
})

test('lane ids are stored as they have always been', () => {
  expect(accountLane('a')).toBe(toLaneId('a'))
  expect(endpointLane('e')).toBe(toLaneId('webhook-e'))
})
