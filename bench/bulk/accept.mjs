import { execFileSync } from 'node:child_process'
import { rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../scripts/paths.mjs'
import { startMuster, watchProcess } from '../stack.mjs'
import { loadNow, toMegabytes, toSeconds } from '../table.mjs'
import { writeCsv, writeLargeNdjson } from './rows.mjs'

/** 100 MB are the API's limit; a little below it, since that counts in mebibytes and to the byte. */
const LARGE_BYTES = 99 * 1024 * 1024

/**
 * An upload into a fresh API, for one account, no worker beside it: how long, how much memory, and who else could be
 * served meanwhile.
 */
export async function measureAccept({ stack, say, rows: count, nodeOptions }) {
  const found = []
  for (const [title, format, contentType, write] of [
    ['accept, typical rows as CSV', 'csv', 'text/csv', () => writeCsv('accept', count)],
    [
      'accept, the largest upload, NDJSON',
      'ndjson',
      'application/x-ndjson',
      () => writeLargeNdjson('accept', count, (LARGE_BYTES * count) / 100_000),
    ],
  ]) {
    const muster = await startMuster({ stack, nodeOptions })
    const file = await write()
    try {
      const bare = JSON.parse(
        execFileSync(process.execPath, [join(root, 'bench', 'read-rows.mjs'), file, format], { encoding: 'utf8' }),
      )
      if (bare.rows !== count) throw new Error(`the file has ${bare.rows} good rows`)
      const account = await muster.connect('okta', { requests: 10 })
      // Asking resets the histogram of the event loop's delays.
      await muster.readMetrics()
      say(`${title}: ${count} rows, ${toMegabytes(statSync(file).size)}…`)
      const finish = watchProcess(muster.apiPid)
      const began = performance.now()
      const batch = await muster.upload(file, contentType, `?integrated_account_id=${account}`)
      const ms = performance.now() - began
      const usage = finish()
      const lagMs = (await muster.readMetrics()).nodejs_eventloop_lag_p99_seconds * 1000
      if (batch.counts.rejected > 0 || batch.counts.total !== count)
        throw new Error(`the batch has ${JSON.stringify(batch.counts)}`)
      const load = loadNow()
      found.push(
        {
          figure: `${title}: time`,
          measured: `${toSeconds(ms)} (${toSeconds(usage.cpuMs)} CPU, ${Math.round((count / ms) * 1000)} rows/s; load ${load})`,
          target: 'under 60 s',
          baseline: `${toSeconds(bare.ms)} bare read (${toSeconds(bare.cpuMs)} CPU)`,
          isOk: ms < 60_000,
        },
        {
          figure: `${title}: growth of RSS`,
          measured: `${toMegabytes(usage.growth)} over ${toMegabytes(usage.baseRss)}`,
          target: 'under 100 MB',
          baseline: `${toMegabytes(bare.growth)} bare read`,
          isOk: usage.growth < 100 * 1024 * 1024,
        },
        {
          figure: `${title}: event-loop delay, p99`,
          measured: `${lagMs.toFixed(1)} ms`,
          target: 'under 50 ms',
          baseline: '10 ms, what is measured of an idle loop',
          isOk: lagMs < 50,
        },
      )
    } finally {
      rmSync(file, { force: true })
      await muster.close()
    }
  }
  return found
}
