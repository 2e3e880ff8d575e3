import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Scenario, ScenarioResult } from './scenario.ts'

export interface ReportRow {
  scenario: Scenario
  result: ScenarioResult
  seconds: number
}

const figuresOf = (row: ReportRow): string =>
  Object.entries(row.result.figures)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')

/** One line a scenario, for terminals and for docs/reliability.md alike. */
export function toMarkdown(rows: readonly ReportRow[], seed: number): string {
  const lines = rows.map(({ scenario, result, ...row }) => {
    const { verdict } = result
    const failed = Object.entries(verdict.failed)
      .map(([code, count]) => `${count} ${code}`)
      .join(', ')
    const cells = [
      scenario.name,
      scenario.fault,
      verdict.acknowledged,
      verdict.lost,
      verdict.twice,
      verdict.untrue,
      verdict.secrets.length,
      failed || '–',
      figuresOf({ scenario, result, ...row }) || '–',
      result.broken.length === 0 ? 'held' : result.broken.join('; '),
    ]
    return `| ${cells.join(' | ')} |`
  })
  return [
    `Seed ${seed}. Repeat with \`npm run chaos -- --seed ${seed}\`.`,
    '',
    '| scenario | fault | acknowledged | lost | twice | untrue | secrets | failed operations | figures | verdict |',
    '|---|---|---:|---:|---:|---:|---:|---|---|---|',
    ...lines,
    '',
  ].join('\n')
}

export async function writeReport(
  directory: string,
  rows: readonly ReportRow[],
  seed: number,
  scale: string,
): Promise<void> {
  await mkdir(directory, { recursive: true })
  await writeFile(join(directory, 'report.md'), toMarkdown(rows, seed))
  const json = rows.map(({ scenario, result, seconds }) => ({
    name: scenario.name,
    promise: scenario.promise,
    fault: scenario.fault,
    seconds,
    ...result,
  }))
  await writeFile(
    join(directory, 'report.json'),
    `${JSON.stringify({ seed, scale, node: process.version, scenarios: json }, null, 2)}\n`,
  )
}
