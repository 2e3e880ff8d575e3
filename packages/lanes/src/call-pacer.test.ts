import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { CallPacer, CoolingDownError } from './call-pacer.ts'
import { callIntervalMs, jobWindow } from './pace.ts'

const pace = { requests: 10, perSeconds: 1 }

describe('the pace of calls', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  test('the first call waits for nothing but what the owner before this one left to wait', async () => {
    const startedAt = performance.now()
    await new CallPacer({ requests: 1, perSeconds: 86_400 }).wait()
    expect(performance.now()).toBe(startedAt)
    const heir = new CallPacer({ requests: 1, perSeconds: 86_400 }, 7_000)
    const left = heir.wait().then(() => performance.now())
    await vi.advanceTimersByTimeAsync(7_001)
    expect((await left) - startedAt).toBeGreaterThanOrEqual(7_000)
  })

  test('a permit that is not used goes to the next that waits, and one that was used does not come back', async () => {
    const pacer = new CallPacer({ requests: 1, perSeconds: 3_600 })
    const first = await pacer.wait()
    const second = pacer.wait()
    first.unused()
    const permit = await second
    permit.sent()
    permit.ended()
    permit.unused()
    let third: number | undefined
    void pacer.wait().then(() => (third = performance.now()))
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect(third).toBeUndefined()
    await vi.advanceTimersByTimeAsync(200_000)
    expect(third).toBeDefined()
  })

  test('when the lane is to close, jobs that have called keep waiting, and the others are not kept for long', async () => {
    const pacer = new CallPacer({ requests: 1, perSeconds: 60 })
    await pacer.wait()
    const begun = pacer.wait(undefined, { mayGoBack: false })
    const waiting = expect(pacer.wait(undefined, { mayGoBack: true })).rejects.toBeInstanceOf(CoolingDownError)
    pacer.sendBack()
    await waiting
    await expect(pacer.wait(undefined, { mayGoBack: true })).rejects.toBeInstanceOf(CoolingDownError)
    await vi.advanceTimersByTimeAsync(60_000)
    const near = pacer.wait(undefined, { priority: -1, mayGoBack: true })
    pacer.sendBack()
    await vi.runAllTimersAsync()
    await Promise.all([near, begun])
  })

  test('a permit given before a cooldown, however short, is not good during it', async () => {
    const pacer = new CallPacer(pace)
    await pacer.wait()
    pacer.throwIfCoolingDown()
    pacer.coolDown(100)
    expect(() => pacer.throwIfCoolingDown()).toThrow(CoolingDownError)
    await vi.advanceTimersByTimeAsync(101)
    pacer.throwIfCoolingDown()
  })

  test('after a cooldown that is ended by hand calls leave at once, and not sooner than the limit allows', async () => {
    const pacer = new CallPacer({ requests: 1, perSeconds: 1 })
    await pacer.wait()
    pacer.coolDown(60_000)
    await vi.advanceTimersByTimeAsync(200)
    pacer.endCooldown()
    const startedAt = performance.now()
    const next = pacer.wait().then(() => performance.now())
    await vi.advanceTimersByTimeAsync(1_000)
    expect((await next) - startedAt).toBeGreaterThanOrEqual(819)
  })

  test('a permit given back does not shorten a cooldown', async () => {
    const pacer = new CallPacer({ requests: 1, perSeconds: 1 })
    const permit = await pacer.wait()
    pacer.coolDown(1_900)
    permit.unused()
    const startedAt = performance.now()
    const next = pacer.wait().then(() => performance.now())
    await vi.advanceTimersByTimeAsync(2_000)
    expect((await next) - startedAt).toBeGreaterThanOrEqual(1_899)
  })

  test('calls leave one interval apart, and never more than the limit in a window', async () => {
    const pacer = new CallPacer(pace)
    const left: number[] = []
    const all = Promise.all(Array.from({ length: 50 }, () => pacer.wait().then(() => left.push(performance.now()))))
    await vi.runAllTimersAsync()
    await all
    const interval = callIntervalMs(pace)
    const gaps = left.slice(1).map((at, index) => at - (left[index] ?? 0))
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(Math.floor(interval) - 1)
    for (const [index, at] of left.entries())
      expect(
        left.filter((other) => other >= at && other < at + 1_000).length,
        `window of call ${index}`,
      ).toBeLessThanOrEqual(pace.requests)
    expect(((left.length - 1) * 1000) / ((left.at(-1) ?? 0) - (left[0] ?? 0))).toBeGreaterThan(9.5)
  })

  test('a call that leaves late, while its connection is opened, still has no more than the limit beside it in any window', async () => {
    const pacer = new CallPacer(pace)
    const sent: number[] = []
    const all = Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        pacer.wait().then((permit) => {
          const send = (): void => {
            permit.sent()
            sent.push(performance.now())
          }
          if (index % 12 === 0) setTimeout(send, 250)
          else send()
        }),
      ),
    )
    await vi.runAllTimersAsync()
    await all
    expect(sent).toHaveLength(30)
    for (const at of sent)
      expect(sent.filter((other) => other >= at && other < at + 1_000).length, `window from ${at}`).toBeLessThanOrEqual(
        pace.requests,
      )
  })

  const spread = (index: number): number =>
    200 * Math.exp(0.5 * Math.sin(index * 12.9898) * Math.sin(index * 4.1414) * 2)

  test.each([
    [
      'stalls of the machine',
      (index: number) => (index % 40 === 39 ? 120 : 4),
      (index: number) => (index % 40 === 39 ? 120 : 1),
    ],
    [
      'a late one in twelve',
      (index: number) => (index % 12 === 11 ? 60 : 4),
      (index: number) => (index % 12 === 11 ? 60 : 1),
    ],
    ['a provider that is slow, now more, now less', spread, () => 20],
    ['a provider that becomes slow', (index: number) => (index < 200 ? 5 : 400), () => 2],
  ])(
    'with %s, no more than the limit arrive in any window, and 95 % of it are used',
    async (_, answersIn, arrivesIn) => {
      const pacer = new CallPacer(pace)
      const arrived: number[] = []
      const send = async (index: number): Promise<void> => {
        const permit = await pacer.wait()
        permit.sent()
        setTimeout(() => arrived.push(performance.now()), arrivesIn(index))
        setTimeout(() => permit.ended(), answersIn(index))
      }
      const all = Promise.all(Array.from({ length: 600 }, (_unused, index) => send(index)))
      await vi.runAllTimersAsync()
      await all
      arrived.sort((a, b) => a - b)
      expect(arrived).toHaveLength(600)
      for (const at of arrived)
        expect(
          arrived.filter((other) => other >= at && other < at + 1_000).length,
          `window from ${at}`,
        ).toBeLessThanOrEqual(pace.requests)
      expect(((arrived.length - 1) * 1000) / ((arrived.at(-1) ?? 0) - (arrived[0] ?? 0))).toBeGreaterThan(9.5)
    },
  )

  test('calls are even again soon after late ones', async () => {
    const pacer = new CallPacer(pace)
    const left: number[] = []
    const send = async (index: number): Promise<void> => {
      const permit = await pacer.wait()
      left.push(performance.now())
      permit.sent()
      setTimeout(() => permit.ended(), index > 40 && index < 45 ? 90 : 4)
    }
    const all = Promise.all(Array.from({ length: 300 }, (_, index) => send(index)))
    await vi.runAllTimersAsync()
    await all
    const gaps = left.slice(1).map((at, index) => at - (left[index] ?? 0))
    expect(Math.max(...gaps.slice(0, 100))).toBeGreaterThan(1.5 * callIntervalMs(pace))
    expect(Math.max(...gaps.slice(-100))).toBeLessThan(1.1 * callIntervalMs(pace))
  })

  test('a limit of a day is as even as one of a second', async () => {
    const pacer = new CallPacer({ requests: 864_000, perSeconds: 86_400 })
    const left: number[] = []
    const all = Promise.all(
      Array.from({ length: 2_500 }, () => pacer.wait().then((permit) => (permit.sent(), left.push(performance.now())))),
    )
    await vi.runAllTimersAsync()
    await all
    for (const [index, at] of left.entries())
      expect(
        left.filter((other) => other >= at && other < at + 1_000).length,
        `window of call ${index}`,
      ).toBeLessThanOrEqual(10)
    expect(((left.length - 1) * 1000) / ((left.at(-1) ?? 0) - (left[0] ?? 0))).toBeGreaterThan(9.5)
  })

  test('a new owner counts the calls of the one before it, those that made up for a pause too', async () => {
    const fast = { requests: 20, perSeconds: 1 }
    // Four intervals' worth of calls leave within one of them, as they do after a pause of the machine.
    const sent = [0, 24, 62, 63, 87].map((at) => performance.now() + at)
    await vi.advanceTimersByTimeAsync(100)
    const heir = new CallPacer(fast, callIntervalMs(fast) - 13)
    const all = Promise.all(Array.from({ length: 40 }, () => heir.wait().then(() => sent.push(performance.now()))))
    await vi.runAllTimersAsync()
    await all
    for (const at of sent)
      expect(sent.filter((other) => other >= at && other < at + 1_000).length).toBeLessThanOrEqual(fast.requests)
  })

  test('the more urgent job goes first among those that wait', async () => {
    const pacer = new CallPacer(pace, callIntervalMs(pace))
    const order: string[] = []
    const all = Promise.all([
      ...['bulk 1', 'bulk 2'].map((name) => pacer.wait(undefined, { priority: 10 }).then(() => order.push(name))),
      pacer.wait(undefined, { priority: 0 }).then(() => order.push('single')),
    ])
    await vi.runAllTimersAsync()
    await all
    expect(order).toEqual(['single', 'bulk 1', 'bulk 2'])
  })

  test('a short cooldown is waited out, a long one hands back those who wait and those who come', async () => {
    const pacer = new CallPacer(pace, callIntervalMs(pace))
    const patient = pacer.wait()
    pacer.coolDown(1_000)
    await vi.advanceTimersByTimeAsync(1_001)
    await patient
    const waiting = expect(pacer.wait()).rejects.toMatchObject({ name: 'CoolingDownError', until: Date.now() + 60_000 })
    pacer.coolDown(60_000)
    await waiting
    await expect(pacer.wait()).rejects.toBeInstanceOf(CoolingDownError)
    pacer.coolDown(10)
    await vi.advanceTimersByTimeAsync(57_000)
    await expect(pacer.wait()).rejects.toBeInstanceOf(CoolingDownError)
    await vi.advanceTimersByTimeAsync(3_001)
    const again = pacer.wait()
    await vi.runAllTimersAsync()
    await again
  })

  test('a waiter that is aborted leaves the queue, and no listener stays on the signal', async () => {
    const pacer = new CallPacer(pace)
    const controller = new AbortController()
    const removed = vi.spyOn(controller.signal, 'removeEventListener')
    const passed = pacer.wait(controller.signal)
    await vi.runAllTimersAsync()
    await passed
    expect(removed).toHaveBeenCalledOnce()
    const refused = expect(pacer.wait(controller.signal)).rejects.toThrow('enough')
    controller.abort(new Error('enough'))
    await refused
    await expect(pacer.wait(controller.signal)).rejects.toThrow('enough')
    const next = pacer.wait()
    await vi.runAllTimersAsync()
    await next
  })
})

test('jobs are taken faster than their calls can leave, about twice as fast, whatever the pace', () => {
  for (const requests of [1, 5, 10, 40, 100, 1_000]) {
    const { max, duration } = jobWindow({ requests, perSeconds: 1, concurrency: 1, callsPerJob: 1 })
    expect(duration).toBeGreaterThan(0)
    expect((max * 1000) / duration / requests, `${requests} a second`).toBeGreaterThan(1.5)
    expect((max * 1000) / duration / requests, `${requests} a second`).toBeLessThan(2.5)
  }
})
