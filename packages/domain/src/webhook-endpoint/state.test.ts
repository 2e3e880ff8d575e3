import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { newEndpointRecord, type WebhookEndpointRecord } from './record.ts'
import {
  countFailure,
  DISABLED_BY_HAND,
  endpointTransitions,
  MIN_FAILURES,
  noteReply,
  setEndpointStatus,
  type EndpointHealth,
  type EndpointStep,
  type ReceiverReply,
} from './state.ts'

const HOUR = 3_600_000
const T0 = 1_750_000_000_000
/** The longest wait of the default schedule, with its jitter. */
const policy = { longestDelayMs: 1.2 * 24 * HOUR, disableAfterMs: 120 * HOUR }
const healthy: EndpointHealth = { failingSince: null }
const active = newEndpointRecord({ id: 'e', tenantId: 't', kind: 'registered' }, T0)
const disabled = setEndpointStatus(active, 'disable', T0)
const failed: ReceiverReply = { outcome: 'failed', reason: 'status_500' }
/** The next failure disables it. */
const failingLong = { failingSince: T0 - 200 * HOUR, failures: 50, lastFailureAt: T0 - HOUR }

/** Failures at these hours, and whether the last one disables. */
function fail(
  hours: readonly number[],
  from: EndpointHealth = healthy,
): { health: EndpointHealth; isTooLong: boolean } {
  return hours.reduce<{ health: EndpointHealth; isTooLong: boolean }>(
    ({ health }, hour) => countFailure(health, policy, T0 + hour * HOUR),
    { health: from, isTooLong: false },
  )
}

const take: Record<EndpointStep, (endpoint: WebhookEndpointRecord, now: number) => WebhookEndpointRecord> = {
  enable: (endpoint, now) => setEndpointStatus(endpoint, 'enable', now),
  disable: (endpoint, now) => setEndpointStatus(endpoint, 'disable', now),
  delivered: (endpoint, now) => noteReply(endpoint, { outcome: 'delivered' }, policy, now) ?? endpoint,
  failed: (endpoint, now) => noteReply(endpoint, failed, policy, now) ?? endpoint,
  failing_too_long: (endpoint, now) => noteReply({ ...endpoint, ...failingLong }, failed, policy, now) ?? endpoint,
  gone: (endpoint, now) => noteReply(endpoint, { outcome: 'gone', reason: 'gone' }, policy, now) ?? endpoint,
}
const steps: EndpointStep[] = ['enable', 'disable', 'delivered', 'failed', 'failing_too_long', 'gone']

describe('an endpoint', () => {
  test.each([active, disabled].flatMap((endpoint) => steps.map((step) => [endpoint.status, step, endpoint] as const)))(
    'that is %s takes the step %s as the table says',
    (status, step, endpoint) => {
      expect(take[step](endpoint, T0).status).toBe(endpointTransitions[status][step])
    },
  )

  test('says why and since when it is disabled, and nothing once it is enabled', () => {
    expect(disabled).toMatchObject({ status: 'disabled', statusReason: DISABLED_BY_HAND, statusSince: T0 })
    expect(take.gone(active, T0 + 1)).toMatchObject({
      statusReason: 'The receiver answered 410 Gone.',
      statusSince: T0 + 1,
    })
    expect(take.failing_too_long(active, T0).statusReason).toBe(
      `Every delivery has failed since ${new Date(failingLong.failingSince).toISOString()}; the latest: status_500.`,
    )
    expect(take.enable(disabled, T0 + 2)).toMatchObject({ status: 'active', statusReason: null, failingSince: null })
  })

  test('of callback addresses is never disabled by replies: the next address may be another receiver', () => {
    const callback: WebhookEndpointRecord = { ...active, kind: 'callback', ...failingLong }
    expect(take.gone(callback, T0).status).toBe('active')
    expect(take.failed(callback, T0).status).toBe('active')
  })

  test('that is healthy is not written by a delivery', () => {
    expect(noteReply(active, { outcome: 'delivered' }, policy, T0)).toBeUndefined()
  })

  test('whatever happens to it: a reason exactly while it is disabled, and no failure after a success', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...steps), { maxLength: 40 }), (taken) => {
        let endpoint = active
        taken.forEach((step, index) => {
          const before = endpoint
          endpoint = take[step](before, T0 + index)
          expect(endpoint.status).toBe(endpointTransitions[before.status][step])
          expect(endpoint.statusReason !== null).toBe(endpoint.status === 'disabled')
          if (step === 'delivered') expect(endpoint.failingSince).toBeNull()
          if (endpoint.status !== before.status) expect(endpoint.statusSince).toBe(T0 + index)
        })
      }),
    )
  })
})

describe('failures of an endpoint', () => {
  test('one long ago and one today do not disable it', () => {
    expect(fail([0, 130])).toEqual({
      health: { failingSince: T0 + 130 * HOUR, failures: 1, lastFailureAt: T0 + 130 * HOUR },
      isTooLong: false,
      isWorthWriting: true,
    })
    const oneMessage = [0, 0.01, 0.1, 0.6, 2.6, 7.6, 17.6, 31.6, 51.6, 75.6]
    expect(fail([...oneMessage, 125]).isTooLong).toBe(false)
  })

  test('over the whole time disable it, as soon as that is over', () => {
    const daily = [0, 24, 48, 72, 96, 119.9]
    expect(fail(daily).isTooLong).toBe(false)
    expect(fail([...daily, 120]).isTooLong).toBe(true)
  })

  test('that are few are not enough, however far apart', () => {
    const short = { longestDelayMs: 1.2 * 24 * HOUR, disableAfterMs: HOUR }
    let health = healthy
    for (let count = 1; count <= MIN_FAILURES; count += 1) {
      const after = countFailure(health, short, T0 + count * HOUR)
      expect(after.isTooLong, `after ${count} failures`).toBe(count === MIN_FAILURES)
      health = after.health
    }
  })

  test('start again in a record written before they were counted', () => {
    expect(fail([0], { failingSince: T0 - 200 * HOUR })).toMatchObject({ isTooLong: false, health: { failures: 1 } })
  })

  test('that do not stop are written once a minute', () => {
    const { health } = fail([0, 1, 2, 3, 4, 5])
    expect(countFailure(health, policy, T0 + 5 * HOUR + 59_000).isWorthWriting).toBe(false)
    expect(countFailure(health, policy, T0 + 5 * HOUR + 60_000).isWorthWriting).toBe(true)
  })
})
