import { expect, test } from 'vitest'
import { onceAtATime } from './once-at-a-time.ts'

test('calls during a run get one more run, however many they are', async () => {
  let runs = 0
  let release = (): void => undefined
  const run = onceAtATime(async () => {
    runs += 1
    if (runs === 1) await new Promise<void>((resolve) => (release = resolve))
  })
  const first = run()
  const others = Array.from({ length: 100 }, () => run())
  release()
  await Promise.all([first, ...others])
  expect(runs).toBe(2)
})

test('an asking in the very turn in which a run ends is not lost', async () => {
  let asked = 0
  let seen = 0
  const run = onceAtATime(async () => {
    await Promise.resolve()
    seen = asked
  })
  for (let round = 0; round < 200; round += 1) {
    const ended = run()
    // Each round asks one microtask later than the round before, across the end of the run.
    for (let turn = 0; turn < round % 20; turn += 1) await Promise.resolve()
    asked += 1
    await Promise.all([ended, run()])
    expect(seen).toBe(asked)
  }
})

test('after an error the next asking runs again', async () => {
  let runs = 0
  const run = onceAtATime(async () => {
    runs += 1
    if (runs === 1) throw new Error('Redis said no')
  })
  await expect(run()).rejects.toThrow('Redis said no')
  await run()
  expect(runs).toBe(2)
})
