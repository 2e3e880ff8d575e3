import { expect, test } from 'vitest'
import { Probes } from './cooldown.ts'

test('one operation at a time probes, and those that waited for it go back', async () => {
  const probes = new Probes()
  let end = (): void => undefined
  const first = probes.alone('a', () => new Promise((resolve) => (end = () => resolve({ outcome: 'done' }))))
  const second = probes.alone('a', () => Promise.reject(new Error('not to be run')))
  expect(await probes.alone('b', async () => ({ outcome: 'done' }))).toEqual({ outcome: 'done' })
  end()
  expect({ first: await first, second: await second }).toEqual({
    first: { outcome: 'done' },
    second: { outcome: 'interrupted' },
  })
  expect(await probes.alone('a', async () => ({ outcome: 'held' }))).toEqual({ outcome: 'held' })
})
