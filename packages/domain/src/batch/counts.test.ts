import { expect, test } from 'vitest'
import { outcomeOf } from './counts.ts'

test.each([
  [3, 3, 'all_succeeded'],
  [3, 1, 'some_failed'],
  [3, 0, 'all_failed'],
  [0, 0, 'all_succeeded'],
])('a completed batch of %i rows, of which %i succeeded: %s', (total, succeeded, outcome) => {
  expect(outcomeOf({ total, succeeded })).toBe(outcome)
})
