import { describe, expect, test } from 'vitest'
import { StartGate } from './start-gate.ts'

describe('jobs begin only just ahead of their calls', () => {
  function watch(gate: StartGate) {
    const seen: string[] = []
    return {
      seen,
      enter: (name: string, priority: number) =>
        void gate.enter(priority).then((mayBegin) => seen.push(`${name} ${mayBegin ? 'begins' : 'goes back'}`)),
    }
  }
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

  test('so many at once, the next when one has left, the more urgent first', async () => {
    const gate = new StartGate(2)
    const { seen, enter } = watch(gate)
    for (const [name, priority] of [
      ['a', 10],
      ['b', 10],
      ['c', 10],
      ['d', 5],
      ['e', 10],
    ] as const)
      enter(name, priority)
    await turn()
    expect(seen).toEqual(['a begins', 'b begins'])
    gate.leave()
    await turn()
    gate.leave()
    await turn()
    expect(seen).toEqual(['a begins', 'b begins', 'd begins', 'c begins'])
    expect(gate.waiting).toBe(1)
  })

  test('the most urgent never wait, and count', async () => {
    const gate = new StartGate(1)
    const { seen, enter } = watch(gate)
    enter('bulk', 10)
    enter('single', 0)
    enter('more bulk', 10)
    await turn()
    expect(seen).toEqual(['bulk begins', 'single begins'])
    gate.leave()
    await turn()
    expect(seen).toHaveLength(2)
    gate.leave()
    await turn()
    expect(seen.at(-1)).toBe('more bulk begins')
  })

  test('room is made by those that are less urgent, the latest of them first', async () => {
    const gate = new StartGate(0)
    const { seen, enter } = watch(gate)
    for (const [name, priority] of [
      ['a', 10],
      ['b', 5],
      ['c', 10],
    ] as const)
      enter(name, priority)
    gate.makeRoom(1, 0)
    await turn()
    expect(seen).toEqual(['c goes back'])
    gate.makeRoom(5, 5)
    await turn()
    expect(seen).toEqual(['c goes back', 'a goes back'])
    gate.makeRoom(5, 0)
    await turn()
    expect(seen.at(-1)).toBe('b goes back')
  })
})
