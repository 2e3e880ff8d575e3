import { setImmediate as endOfTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { yieldEventLoop } from './event-loop.ts'

test('of callers that compute side by side, one continues in each turn of the event loop, in the order they asked', async () => {
  let turn = 0
  let isDone = false
  const counting = (async () => {
    for (; !isDone; turn += 1) await endOfTurn()
  })()
  const turns: [who: number, turn: number][] = []
  await Promise.all(
    Array.from({ length: 5 }, async (_, who) => {
      for (let stretch = 0; stretch < 3; stretch += 1) {
        await yieldEventLoop()
        turns.push([who, turn])
      }
    }),
  )
  isDone = true
  await counting
  expect(turns.map(([who]) => who)).toEqual([0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4])
  expect(new Set(turns.map(([, at]) => at)).size).toBe(15)
})
