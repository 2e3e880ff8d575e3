import { toLaneId } from '@muster/domain/lane-id'
import { expect, test } from 'vitest'
import { dueAtOf, lanesToClose, lanesToOpen } from './lane-turns.ts'

const waiting = (tenantId: string, waitedMs: number, laneId = `${tenantId} ${waitedMs}`) => ({
  laneId: toLaneId(laneId),
  tenantId,
  waitedMs,
})
const open = (tenantId: string, openForMs: number, dueInMs = 0) => ({
  laneId: toLaneId(`${tenantId} open ${openForMs}`),
  tenantId,
  openForMs,
  dueInMs,
})
const turns = { closing: 0, turnMs: 5_000 }

test('the next lane to open is of the tenant with the fewest lanes, then the one that has waited longest', () => {
  const many = [waiting('a', 9_000), waiting('a', 8_000), waiting('a', 7_000), waiting('b', 10), waiting('b', 20)]
  expect(lanesToOpen(many, [open('a', 1)], 3)).toEqual(['b 20', 'a 9000', 'b 10'])
  expect(lanesToOpen(many, [], 2)).toEqual(['a 9000', 'b 20'])
  expect(lanesToOpen(many, [], 0)).toEqual([])
  expect(lanesToOpen([], [], 5)).toEqual([])
})

test('lanes without due work are closed first, those that are due last before others, and no more than wait', () => {
  const lanes = [open('a', 1, 0), open('a', 2, 60_000), open('a', 3, Infinity), open('a', 4, 5_000)]
  expect(lanesToClose([waiting('b', 2_000), waiting('b', 2_001)], lanes, turns)).toEqual(['a open 3', 'a open 2'])
  expect(lanesToClose([waiting('b', 2_000), waiting('b', 2_001)], lanes, { ...turns, closing: 1 })).toEqual([
    'a open 3',
  ])
})

test('nothing is closed for a lane that another process may open yet, nor before a lane has had its turn', () => {
  expect(lanesToClose([waiting('b', 100)], [open('a', 60_000, Infinity)], turns)).toEqual([])
  expect(lanesToClose([waiting('a', 500)], [open('a', 60_000, Infinity)], turns)).toEqual([])
  expect(lanesToClose([waiting('b', 2_000)], [open('a', 4_000)], turns)).toEqual([])
})

test('a busy lane gives way to a tenant that has fewer, and to one of its own tenant, never the other way round', () => {
  const lanes = [open('a', 6_000), open('a', 7_000), open('b', 8_000)]
  expect(lanesToClose([waiting('c', 2_000)], lanes, turns)).toEqual(['a open 7000'])
  expect(lanesToClose([waiting('a', 2_000)], lanes, turns)).toEqual(['a open 7000'])
  expect(lanesToClose([waiting('a', 2_000)], [open('b', 8_000)], turns)).toEqual(['b open 8000'])
  expect(lanesToClose([waiting('a', 2_000)], [open('a', 1_000), open('b', 8_000)], turns)).toEqual([])
})

test('a tenant that has no lane gets one sooner than another gets one more', () => {
  expect(lanesToClose([waiting('b', 500)], [open('a', 60_000, Infinity)], turns)).toEqual(['a open 60000'])
})

test('a tenant with no more than its share keeps its lane between two creates, and loses it to its own lanes only', () => {
  const lanes = [open('quiet', 60_000, Infinity), ...Array.from({ length: 9 }, (_, at) => open('greedy', at, 0))]
  expect(lanesToClose([waiting('greedy', 9_000)], lanes, turns)).toEqual([])
  expect(lanesToClose([waiting('quiet', 9_000)], lanes, turns)).toEqual(['quiet open 60000'])
  const coolingDown = [open('quiet', 60_000, Infinity), open('greedy', 10, 9_000), open('greedy', 20, 8_000)]
  expect(lanesToClose([waiting('greedy', 9_000)], coolingDown, turns)).toEqual(['greedy open 10'])
})

test('work is due when the lane opens, and at once while a call is under way', () => {
  const left = { ready: 0, active: 0, nextAt: null, opensAt: 0, isAtWork: false }
  expect(dueAtOf(left, Infinity, 100)).toBe(Infinity)
  expect(dueAtOf({ ...left, nextAt: 900 }, 700, 100)).toBe(700)
  expect(dueAtOf({ ...left, ready: 1 }, Infinity, 100)).toBe(100)
  expect(dueAtOf({ ...left, active: 1, opensAt: 5_000 }, Infinity, 100)).toBe(5_000)
  expect(dueAtOf({ ...left, active: 1, opensAt: 5_000, isAtWork: true }, Infinity, 100)).toBe(100)
})
