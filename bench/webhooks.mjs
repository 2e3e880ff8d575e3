import { createServer, Agent, request } from 'node:http'
import { parseArgs } from 'node:util'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { benchFolder, startMuster } from './stack.mjs'
import { loadNow, percentile, toMarkdown } from './table.mjs'

/** What the issue asks for: the p95 on an idle system. */
const LIMIT_MS = 200
const usage = `Usage: npm run bench -- webhooks [--users N] [--cold N]

From the end state of an operation (its finished_at) to the arrival of the first attempt at a receiver on the same machine.
Creates N users (100) one after another at the Okta simulator, then N (10) first deliveries on lanes that no worker has
opened yet; beside it, the time of a bare HTTP POST to the same receiver on a new connection. The p95 is to be below ${LIMIT_MS} ms.`

/** Keeps when each operation's event arrived. */
async function startReceiver() {
  const arrivals = new Map()
  const waiting = new Map()
  const server = createServer((message, response) => {
    const chunks = []
    message.on('data', (chunk) => chunks.push(chunk))
    message.on('end', () => {
      const at = Date.now()
      response.writeHead(204).end()
      const event = JSON.parse(Buffer.concat(chunks).toString())
      const name = `${message.url} ${event.data?.operation_id}`
      if (arrivals.has(name)) return
      arrivals.set(name, at)
      waiting.get(name)?.()
    })
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    close: () => server.close(),
    host: `127.0.0.1:${server.address().port}`,
    /** Resolves with the time of the first arrival. */
    async arrival(path, operationId) {
      const name = `${path} ${operationId}`
      if (!arrivals.has(name)) await new Promise((resolve) => waiting.set(name, resolve))
      return arrivals.get(name)
    },
  }
}

/** One POST as small as a thin event on a connection of its own: what no delivery can be faster than. */
function postBarely(host) {
  const startedAt = performance.now()
  return new Promise((resolve, reject) => {
    const sent = request(
      `http://${host}/bare`,
      { method: 'POST', agent: new Agent({ keepAlive: false }), headers: { 'content-type': 'application/json' } },
      (response) => {
        response.resume()
        response.on('end', () => resolve(performance.now() - startedAt))
      },
    )
    sent.on('error', reject)
    sent.end(JSON.stringify({ type: 'bare', data: { operation_id: null, padding: 'x'.repeat(500) } }))
  })
}

export async function run({ args, stack, say }) {
  let options
  try {
    options = parseArgs({
      args,
      options: {
        users: { type: 'string', default: '100' },
        cold: { type: 'string', default: '10' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (error) {
    console.error(`${error.message}\n${usage}`)
    process.exit(2)
  }
  if (options.help) return say(usage)
  const [users, cold] = [Number(options.users), Number(options.cold)]
  if (![users, cold].every((count) => Number.isInteger(count) && count >= 1 && count <= 1_000)) {
    console.error(usage)
    process.exit(2)
  }
  const receiver = await startReceiver()
  const muster = await startMuster({
    stack,
    allowedHosts: [receiver.host],
    environment: { MUSTER_MAX_WEBHOOK_ENDPOINTS: '1000', LOG_LEVEL: 'info' },
  })
  await muster.startWorker()
  await measure({ ...muster, receiver, users, cold, say })
  await muster.close()
  receiver.close()
}

async function measure({ call, connect, control, receiver, users, cold, say }) {
  await control('okta', 'PATCH', 'settings', { rate_limit: null })
  const account = await connect('okta', { requests: 100, per_seconds: 1 })
  let count = 0
  /** Creates one user; resolves with the milliseconds from its end to its arrival. */
  async function createOne(path) {
    count += 1
    const user = {
      first_name: 'Ada',
      last_name: 'Lovelace',
      emails: [{ email: `bench.${count}.${process.pid}@example.com` }],
    }
    const { id } = await call('POST', `/unified/user-directory/users?integrated_account_id=${account}`, user)
    const operation = await call('GET', `/operations/${id}`, undefined, { prefer: 'wait=30' })
    if (operation.status !== 'succeeded') throw new Error(`an operation ended as ${operation.status}`)
    return (await receiver.arrival(path, operation.id)) - Date.parse(operation.finished_at)
  }
  const register = (path) => call('POST', '/webhook-endpoints', { url: `http://${receiver.host}${path}` })

  say('Measuring…')
  const bare = []
  for (let index = 0; index < users; index += 1) bare.push(await postBarely(receiver.host))

  const coldDelays = []
  for (let index = 0; index < cold; index += 1) {
    // The account's own lane is warm but for the first; the endpoint's has never been opened.
    const { id } = await register(`/cold/${index}`)
    coldDelays.push(await createOne(`/cold/${index}`))
    await call('DELETE', `/webhook-endpoints/${id}`)
  }

  await register('/warm')
  await createOne('/warm')
  const warm = []
  for (let index = 0; index < users; index += 1) warm.push(await createOne('/warm'))

  const measured = [
    ['end state to first attempt', warm, LIMIT_MS],
    ['the same, first on a lane that no worker has opened', coldDelays],
    ['bare POST on a new connection', bare],
  ].map(([name, values, limit]) => ({
    name,
    count: values.length,
    p50: round(percentile(values, 0.5)),
    p95: round(percentile(values, 0.95)),
    max: round(Math.max(...values)),
    limit,
  }))
  const baseline = `bare POST p95 ${measured[2].p95} ms`
  const rows = measured.slice(0, 2).map(({ name, count, p50, p95, max, limit }) => ({
    figure: name,
    measured: `p95 ${p95} ms (p50 ${p50}, max ${max}; ${count} samples)`,
    target: limit ? `under ${limit} ms` : '',
    baseline,
    ...(limit ? { isOk: p95 < limit } : {}),
  }))
  say(`\n${toMarkdown(rows)}\n\nLoad average ${loadNow()}, Node ${process.version}.`)
  mkdirSync(benchFolder, { recursive: true, mode: 0o700 })
  writeFileSync(
    join(benchFolder, 'webhooks.json'),
    `${JSON.stringify({ limit_ms: LIMIT_MS, load: loadNow(), node: process.version, milliseconds: measured }, null, 2)}\n`,
  )
}

const round = (milliseconds) => Math.round(milliseconds * 10) / 10
