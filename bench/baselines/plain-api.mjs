import express from 'express'
import { Queue } from 'bullmq'
import { z } from 'zod'

/**
 * The plainest service of Muster's kind: checks the shape of a body, adds a job, answers 202. It authenticates no one,
 * seals nothing, and forgets what it accepted when the job is gone.
 */
const userSchema = z.object({
  first_name: z.string().min(1).max(200),
  last_name: z.string().min(1).max(200),
  emails: z.array(z.object({ email: z.email() })).min(1),
  password: z.string().min(8).max(200).optional(),
  reference: z.string().max(200).optional(),
})

const queue = new Queue('creates', { connection: { url: process.env.REDIS_URL } })
const app = express()
app.disable('x-powered-by')
app.post('/users', express.json(), async (request, response) => {
  const parsed = userSchema.safeParse(request.body)
  if (!parsed.success) return response.status(422).json({ problems: parsed.error.issues })
  const job = await queue.add('create', parsed.data, { removeOnComplete: true })
  return response.status(202).json({ id: job.id, status: 'queued' })
})
const server = app.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ msg: 'listening', port: server.address().port }))
})
process.once('SIGTERM', () => {
  server.close()
  server.closeAllConnections()
  void queue.close()
})
