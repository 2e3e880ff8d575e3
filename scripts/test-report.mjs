import { relative } from 'node:path'
import { root } from './paths.mjs'
import { describeExit } from './processes.mjs'

/**
 * What vitest's JSON report (undefined where it left none) and its exit come to: how many tests passed, and one line
 * for each that failed, with its file, and for whatever else keeps the run from being green.
 */
export function countTests(exit, report) {
  if (!report) return { passed: 0, failures: [`vitest ${describeExit(exit)} and left no report`] }
  const passed = report.numPassedTests
  const failures = report.testResults.flatMap((file) => {
    const name = relative(root, file.name)
    const failed = file.assertionResults.filter((test) => test.status === 'failed')
    if (failed.length > 0)
      return failed.map((test) => [name, ...test.ancestorTitles, test.title].join(' > ').replaceAll('\n', ' '))
    // A file that cannot be loaded has no tests to count.
    return file.status === 'failed' ? [`${name}: ${file.message}`] : []
  })
  if (failures.length === 0 && passed === 0) failures.push('no test ran, see what vitest says above')
  // Such as an error that no test waited for.
  else if (failures.length === 0 && exit.code !== 0)
    failures.push(`vitest ${describeExit(exit)}: see what it says above`)
  return { passed, failures }
}
