// Receives webhooks and verifies them: WEBHOOK_SECRET=whsec_… node examples/receive-webhooks.mjs
import { createHmac, timingSafeEqual } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'

// Without one in the environment: that of the callbacks of a running `npm start`.
const demo = '.muster/demo.json'
const secret =
  process.env.WEBHOOK_SECRET ??
  (existsSync(demo) ? JSON.parse(readFileSync(demo, 'utf8')).callback_secret : undefined) ??
  ''
const port = Number(process.env.PORT ?? 8090)
const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
if (!secret.startsWith('whsec_') || key.length < 24) {
  console.error('WEBHOOK_SECRET must hold the whsec_… of the endpoint, or of the callbacks.')
  process.exit(1)
}

const TOLERANCE_SECONDS = 5 * 60
const MOST_BYTES = 1024 * 1024

// Each event may come more than once, so what was had is remembered by its id. Keep these in your database; in memory
// they are gone after a restart.
const received = new Set()
const MOST_REMEMBERED = 10_000

/** Undefined, or why the message is not to be believed. */
function whyRefused(headers, body) {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures } = headers
  if (!id || !timestamp || !signatures) return 'a webhook- header is missing'
  // Only the timestamp stops a recorded message from being replayed: its signature stays valid.
  if (!/^\d{1,12}$/.test(timestamp) || Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE_SECONDS)
    return 'the timestamp is too old or too new'
  // Over the bytes as they came: parsed and written again, the JSON may differ.
  const expected = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest()
  // While a secret is replaced there are several signatures, and one is yours.
  const isGenuine = signatures.split(' ').some((signature) => {
    const [version, value = ''] = signature.split(',')
    const given = Buffer.from(value, 'base64')
    return version === 'v1' && given.length === expected.length && timingSafeEqual(given, expected)
  })
  return isGenuine ? undefined : 'no signature matches'
}

const server = createServer(async (request, response) => {
  const answer = (status, line) => {
    console.log(line)
    response.writeHead(status).end()
  }
  const chunks = []
  let length = 0
  try {
    for await (const chunk of request) {
      length += chunk.length
      if (length <= MOST_BYTES) chunks.push(chunk)
    }
  } catch {
    return console.log('refused: the request broke off')
  }
  if (length > MOST_BYTES) return answer(400, 'refused: the body is too large')
  const body = Buffer.concat(chunks)
  const why = whyRefused(request.headers, body)
  if (why) return answer(400, `refused: ${why}`)

  const id = request.headers['webhook-id']
  // Answered like the first time, or it would be sent again.
  if (received.has(id)) return answer(204, `duplicate ${id}`)
  let event
  try {
    event = JSON.parse(body)
  } catch {
    return answer(400, 'refused: the body is not JSON')
  }
  received.add(id)
  if (received.size > MOST_REMEMBERED) received.delete(received.values().next().value)
  // Answer first and work afterwards, when the work may take longer than 15 seconds.
  answer(204, `verified ${event.type} ${id}`)
})

server.listen(port, () => console.log(`listening on port ${server.address().port}`))
