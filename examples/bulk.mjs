// Creates many users and follows them to the end: node examples/bulk.mjs [COUNT] [RESULTS.ndjson]
import { createWriteStream, readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as pause } from 'node:timers/promises'

const demo = process.env.MUSTER_URL ? undefined : JSON.parse(readFileSync('.muster/demo.json', 'utf8'))
const url = process.env.MUSTER_URL ?? demo.url
const apiKey = process.env.MUSTER_API_KEY ?? demo.api_key
const account = process.env.MUSTER_ACCOUNT ?? demo.integrated_accounts.okta
const count = Number(process.argv[2] ?? 20)
const results = process.argv[3] ?? 'results.ndjson'
const run = process.env.RUN ?? Date.now()

const headers = { authorization: `Bearer ${apiKey}` }

/** One user a line, made while it is sent: as many as you like, in little memory. */
async function* rows() {
  for (let number = 1; number <= count; number += 1) {
    yield `${JSON.stringify({ reference: `row-${number}`, first_name: 'Ada', last_name: `Lovelace ${number}`, emails: [{ email: `ada.${run}.${number}@example.com` }] })}\n`
  }
}

async function refuse(response) {
  const problem = await response.json()
  console.error(`${problem.code}: ${problem.detail} (request ${problem.request_id})`)
  process.exit(1)
}

/** The same rows under the same key as often as it takes: what came in before is only compared. */
async function upload() {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const response = await fetch(
        `${url}/unified/user-directory/users/bulk?integrated_account_id=${account}&reference=example`,
        {
          method: 'POST',
          headers: { ...headers, 'content-type': 'application/x-ndjson', 'idempotency-key': `bulk-${run}` },
          body: Readable.from(rows()),
          duplex: 'half',
        },
      )
      if (response.ok) return await response.json()
      const { code } = await response.clone().json()
      if (attempt === 5 || (response.status < 500 && code !== 'upload_in_progress')) await refuse(response)
    } catch (error) {
      if (attempt === 5) throw error
    }
    await pause(5_000)
  }
}

/** Server-sent events: the data of each, and the id to come back with. */
async function* read(stream, seen) {
  let text = ''
  for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
    text += piece
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const fields = Object.fromEntries(
        text
          .slice(0, end)
          .split('\n')
          .map((line) => [line.split(':', 1)[0], line.slice(line.indexOf(':') + 1).trim()]),
      )
      text = text.slice(end + 2)
      if (fields.id) seen.id = fields.id
      if (fields.data) yield { type: fields.event, batch: JSON.parse(fields.data) }
    }
  }
}

/** Each event has the whole batch, so a broken connection costs only the time to reconnect. */
async function follow(batch) {
  const seen = {}
  for (;;) {
    try {
      const response = await fetch(url + batch.links.events, {
        headers: { ...headers, ...(seen.id ? { 'last-event-id': seen.id } : {}) },
      })
      if (!response.ok && response.status < 500) await refuse(response)
      if (response.ok) {
        for await (const event of read(response.body, seen)) {
          show(event.batch)
          if (event.type === 'completed') return event.batch
        }
      }
    } catch {
      // The next attempt finds out what is wrong.
    }
    await pause(2_000)
  }
}

function show({ status, status_reason: reason, counts, eta_seconds: eta }) {
  const done = counts.rejected + counts.succeeded + counts.failed + counts.canceled + counts.expired
  const filled = Math.round((30 * done) / Math.max(1, counts.total))
  const line = `[${'#'.repeat(filled)}${'.'.repeat(30 - filled)}] ${done} of ${counts.total}, ${counts.failed} failed, ${reason ?? (eta === null ? status : `${eta} s left`)}`
  if (process.stdout.isTTY) process.stdout.write(`\r${line.padEnd(process.stdout.columns - 1)}`)
  else console.log(line)
}

const accepted = await upload()
console.log(`accepted: ${url}${accepted.links.self}`)
const { status, counts } = await follow(accepted)
if (process.stdout.isTTY) process.stdout.write('\n')

const response = await fetch(url + accepted.links.results, { headers })
if (!response.ok) await refuse(response)
await pipeline(response.body, createWriteStream(results))
console.log(`${status}: ${counts.succeeded} of ${counts.total} created; each row is in ${results}`)
if (counts.succeeded < counts.total) process.exitCode = 1
