import { endpointTestEvent } from '@muster/domain/event-of-change'
import { newEndpointRecord } from '@muster/domain/webhook-endpoint/record'
import { expect, test } from 'vitest'
import { identifyEvent } from './identify-event.ts'

test('two events have two ids, which begin with their time', () => {
  const at = 1_750_000_000_000
  const draft = endpointTestEvent(newEndpointRecord({ id: 'e', tenantId: 't', kind: 'registered' }, at), at)
  const [one, other] = [identifyEvent(draft), identifyEvent(draft)]
  expect(one.id).not.toBe(other.id)
  expect(parseInt(one.id.replace('-', '').slice(0, 12), 16)).toBe(at)
})
