import { expect, test } from 'vitest'
import { parsePrefer } from './prefer.ts'

test.each([
  [undefined, 0, false, undefined],
  ['', 0, false, undefined],
  ['wait=10', 10_000, false, 'wait=10'],
  ['Wait="5"', 5_000, false, 'wait=5'],
  ['wait=600', 60_000, false, 'wait=60'],
  ['wait=10;priority=5, return=minimal', 10_000, false, 'wait=10'],
  ['wait=1, wait=20', 1_000, false, 'wait=1'],
  ['wait=0', 0, false, undefined],
  ['wait=-1', 0, false, undefined],
  ['wait=1e3', 0, false, undefined],
  ['respond-async, wait=10', 0, false, 'respond-async'],
  ['handling=strict, wait=2', 2_000, true, 'wait=2, handling=strict'],
  ['handling=lenient, handling=strict', 0, false, undefined],
])('Prefer: %s', (header, waitMs, isStrict, applied) => {
  expect(parsePrefer(header)).toEqual({ waitMs, isStrict, applied })
})
