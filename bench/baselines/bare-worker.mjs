import { Worker } from 'bullmq'
import { Agent, request } from 'undici'

/** The barest worker: takes a job, makes the one call of a create, reads the answer, and writes nothing of its own. */
const { REDIS_URL, TARGET_URL, TARGET_TOKEN, CONCURRENCY } = process.env
const dispatcher = new Agent({ connections: Number(CONCURRENCY) })
const worker = new Worker(
  'creates',
  async ({ data }) => {
    const { statusCode, body } = await request(TARGET_URL, {
      method: 'POST',
      dispatcher,
      headers: { 'content-type': 'application/json', authorization: TARGET_TOKEN },
      body: JSON.stringify(data),
    })
    const answer = await body.json()
    if (statusCode >= 300) throw new Error(`answered ${statusCode}`)
    return { id: answer.id }
  },
  { connection: { url: REDIS_URL }, concurrency: Number(CONCURRENCY), removeOnComplete: { count: 0 } },
)
await worker.waitUntilReady()
console.log(JSON.stringify({ msg: 'listening' }))
process.once('SIGTERM', () => void worker.close().then(() => dispatcher.close()))
