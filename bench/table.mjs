import { loadavg } from 'node:os'

/** Rows are `{ figure, measured, target, baseline, isOk }`; `isOk` is left out where there is no target. */
export function toMarkdown(rows) {
  const cells = rows.map(({ figure, measured, target = '', baseline = '', isOk }) => [
    figure,
    measured,
    target,
    baseline,
    isOk === undefined ? '' : isOk ? 'ok' : 'short',
  ])
  return [
    ['figure', 'measured', 'target', 'baseline of the same run', ''],
    ['---', '---', '---', '---', '---'],
    ...cells,
  ]
    .map((row) => `| ${row.join(' | ')} |`)
    .join('\n')
}

export const loadNow = () => loadavg()[0].toFixed(1)

export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? NaN
}

export const toPercent = (share) => `${(share * 100).toFixed(1)} %`
export const toMegabytes = (bytes) => `${(bytes / 1024 / 1024).toFixed(1)} MB`
export const toSeconds = (ms) => `${(ms / 1000).toFixed(1)} s`
