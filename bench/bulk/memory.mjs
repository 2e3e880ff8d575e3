import { rmSync } from 'node:fs'
import { pollUntil, readUsage, startMuster } from '../stack.mjs'
import { loadNow, toSeconds } from '../table.mjs'
import { typicalRowBytes, writeCsv } from './rows.mjs'

const AT_MOST = 20_000
const PAGE = 1_000

/** Bytes of each kind of key, ids and numbers taken out of their names. */
async function readKinds(redis) {
  const kinds = {}
  let cursor = '0'
  do {
    const [next, names] = await redis.scan(cursor, 'COUNT', PAGE)
    cursor = next
    const pipeline = redis.pipeline()
    for (const name of names) pipeline.memory('USAGE', name, 'SAMPLES', 0)
    const sizes = (await pipeline.exec()) ?? []
    names.forEach((name, index) => {
      const kind = name
        .replaceAll(/\{[^}]*\}/g, '{}')
        .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '*')
        .replaceAll(/:[\w-]{20,}$/g, ':*')
        .replaceAll(/:\d+$/g, ':*')
      kinds[kind] = (kinds[kind] ?? 0) + (sizes[index]?.[1] ?? 0)
    })
  } while (cursor !== '0')
  return kinds
}

function sayKinds(say, title, kinds, count) {
  say(`${title}, bytes an item by kind of key:`)
  const shown = Object.entries(kinds)
    .sort(([, a], [, b]) => b - a)
    .filter(([, bytes]) => bytes / count >= 1)
  for (const [kind, bytes] of shown) say(`  ${(bytes / count).toFixed(0).padStart(6)}  ${kind}`)
}

/** What an item takes in Redis while it waits, and once it has ended. */
export async function measureMemory({ stack, say, rows, nodeOptions }) {
  const count = Math.min(rows, AT_MOST)
  const muster = await startMuster({ stack, nodeOptions })
  const file = await writeCsv('memory', count)
  try {
    // High enough that the worker sets the pace, which also shows what one process can do.
    const account = await muster.connect('okta', { requests: 2_000, concurrency: 20 })
    await muster.control('okta', 'PATCH', 'settings', { rate_limit: null })
    const before = await muster.usedMemory()
    const batch = await muster.upload(file, 'text/csv', `?integrated_account_id=${account}`)
    const queued = ((await muster.usedMemory()) - before) / count
    sayKinds(say, 'Waiting', await readKinds(muster.redis), count)
    const worker = await muster.startWorker()
    const [began, usage] = [performance.now(), readUsage(worker.pid)]
    const done = await pollUntil(
      () => muster.call('GET', `/batches/${batch.id}`),
      ({ status }) => status === 'completed',
      { everyMs: 500, forMs: 300_000 },
    )
    const [ms, cpuMs] = [performance.now() - began, (readUsage(worker.pid)?.cpuMs ?? NaN) - (usage?.cpuMs ?? NaN)]
    if (done.counts.succeeded !== count) throw new Error(`the batch came to ${JSON.stringify(done.counts)}`)
    // Its connections, and what BullMQ keeps of an open lane, are not the items'.
    await worker.stop()
    const ended = ((await muster.usedMemory()) - before) / count
    sayKinds(say, 'Ended', await readKinds(muster.redis), count)
    const baseline = `${typicalRowBytes()} bytes, the JSON of a row`
    return [
      {
        figure: 'Redis memory of a waiting item',
        measured: `${queued.toFixed(0)} bytes (of ${count})`,
        target: 'under 2,048 bytes',
        baseline,
        isOk: queued < 2_048,
      },
      {
        figure: 'Redis memory of an ended item',
        measured: `${ended.toFixed(0)} bytes (of ${count})`,
        target: 'under 1,536 bytes',
        baseline,
        isOk: ended < 1_536,
      },
      {
        figure: 'one worker at no limit',
        measured: `${Math.round((count / ms) * 1000)} creates/s, ${(cpuMs / count).toFixed(2)} ms CPU each (${toSeconds(ms)}; load ${loadNow()})`,
      },
    ]
  } finally {
    rmSync(file, { force: true })
    await muster.close()
  }
}
