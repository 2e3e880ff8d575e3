import { setMaxListeners } from 'node:events'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FairGate } from './fair-gate.ts'

const never = new AbortController().signal
setMaxListeners(0, never)
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('permits that keys share', () => {
  test('are refused to all that wait when they are of no use, and given to those that come later', async () => {
    const gate = new FairGate({ perKey: 1, total: 2 })
    const leave = await gate.enter('a', never)
    const waiting = ['a', 'a', 'b'].map((key) => gate.enter(key, never))
    ;(await waiting[2])?.()
    gate.refuseWaiting(new Error('away'))
    await expect(waiting[0]).rejects.toThrow('away')
    await expect(waiting[1]).rejects.toThrow('away')
    leave()
    ;(await gate.enter('a', never))()
  })

  test('are bounded for each lane and in all, and none is lost', async () => {
    const step = fc.record({ lane: fc.nat(6), isLeaving: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 60 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 2, max: 9 }),
        async (steps, perKey, total) => {
          const gate = new FairGate({ perKey, total })
          const held: { lane: number; leave(): void }[] = []
          const asked = steps.filter(({ isLeaving }) => !isLeaving)
          let served = 0
          const enter = async (lane: number): Promise<void> => {
            held.push({ lane, leave: await gate.enter(String(lane), never) })
            served += 1
          }
          for (const { lane, isLeaving } of steps) {
            if (isLeaving) held.shift()?.leave()
            else void enter(lane)
            await turn()
            expect(held.length).toBeLessThanOrEqual(total)
            for (const one of held)
              expect(held.filter(({ lane: other }) => other === one.lane).length).toBeLessThanOrEqual(perKey)
          }
          while (held.length > 0) {
            held.shift()?.leave()
            await turn()
          }
          expect(served).toBe(asked.length)
        },
      ),
    )
  })

  test('are never all taken by lanes that hold more than one', async () => {
    const gate = new FairGate({ perKey: 100, total: 20 })
    for (const lane of ['a', 'b']) for (let count = 0; count < 50; count += 1) void gate.enter(lane, never)
    await turn()
    // Eight lanes more, each of which comes in at once.
    for (const lane of ['c', 'd', 'e', 'f', 'g', 'h', 'i', 'j']) await gate.enter(lane, AbortSignal.timeout(1_000))
  })

  test('go around: a lane that has waited longest and was not served is next', async () => {
    const gate = new FairGate({ perKey: 9, total: 2 })
    const first = await gate.enter('a', never)
    const second = await gate.enter('b', never)
    const order: string[] = []
    const leaves: (() => void)[] = []
    for (const lane of ['a', 'a', 'a', 'c'])
      void gate.enter(lane, never).then((leave) => {
        order.push(lane)
        leaves.push(leave)
      })
    first()
    second()
    await turn()
    leaves.shift()?.()
    await turn()
    expect(order.slice(0, 3)).toContain('c')
  })

  test('are left alone by a caller who gives up, while waiting or before', async () => {
    const gate = new FairGate({ perKey: 1, total: 2 })
    const leave = await gate.enter('a', never)
    const caller = new AbortController()
    const waiting = gate.enter('a', caller.signal)
    caller.abort()
    await expect(waiting).rejects.toThrow('aborted')
    await expect(gate.enter('b', caller.signal)).rejects.toThrow('aborted')
    leave()
    leave()
    await gate.enter('a', AbortSignal.timeout(1_000))
  })
})
