import { join } from 'node:path'
import { expect, test } from 'vitest'
import { countTests } from '../../scripts/test-report.mjs'
import { root } from './documents.ts'

const green = { code: 0, signal: null }
const red = { code: 1, signal: null }
const fileOf = (name: string, statuses: string[], more: { status?: string; message?: string } = {}) => ({
  name: join(root, name),
  status: more.status ?? (statuses.includes('failed') ? 'failed' : 'passed'),
  message: more.message ?? '',
  assertionResults: statuses.map((status, index) => ({
    status,
    ancestorTitles: ['a group', 'a smaller one'],
    title: `test ${index + 1}`,
  })),
})

test('a failing run names file and test of each that failed, and counts the names', () => {
  const testResults = [fileOf('test/a.test.ts', ['passed', 'failed', 'failed']), fileOf('test/b.test.ts', ['passed'])]
  expect(countTests(red, { numPassedTests: 2, testResults })).toEqual({
    passed: 2,
    failures: [
      'test/a.test.ts > a group > a smaller one > test 2',
      'test/a.test.ts > a group > a smaller one > test 3',
    ],
  })
})

test('a file that cannot be loaded, a run without tests, and an error outside of tests are failures too', () => {
  const broken = fileOf('test/c.test.ts', [], { status: 'failed', message: 'no such module' })
  expect(countTests(red, { numPassedTests: 0, testResults: [broken] }).failures).toEqual([
    'test/c.test.ts: no such module',
  ])
  expect(countTests(green, { numPassedTests: 0, testResults: [] }).failures).toHaveLength(1)
  expect(countTests(red, { numPassedTests: 1, testResults: [fileOf('test/d.test.ts', ['passed'])] }).failures).toEqual([
    expect.stringContaining('see what it says above'),
  ])
  expect(countTests(red, undefined)).toEqual({ passed: 0, failures: [expect.stringContaining('left no report')] })
})

test('a green run has no failures', () => {
  const testResults = [fileOf('test/e.test.ts', ['passed', 'skipped'])]
  expect(countTests(green, { numPassedTests: 1, testResults })).toEqual({ passed: 1, failures: [] })
})
