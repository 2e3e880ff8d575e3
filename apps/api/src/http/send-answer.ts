import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Response } from 'express'
import type { ApiResponse } from './endpoint.ts'

export async function sendAnswer(
  response: Response,
  { status, headers = {}, body }: ApiResponse,
  isDraining: boolean,
): Promise<void> {
  response.status(status)
  response.setHeader('cache-control', 'no-store')
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  // The last answer on its connection: kept-alive connections would hold the process until it is cut off.
  if (isDraining) response.setHeader('connection', 'close')
  if (body === undefined) return void response.end()
  if (body instanceof Readable) return sendStream(response, body)
  if (Buffer.isBuffer(body)) return void response.end(body)
  if (!response.hasHeader('content-type')) response.setHeader('content-type', 'application/json; charset=utf-8')
  response.end(JSON.stringify(body))
}

async function sendStream(response: Response, body: Readable): Promise<void> {
  // Some streams never end, and the others would be read in vain.
  if (response.req.method === 'HEAD') {
    body.destroy()
    return void response.end()
  }
  try {
    await pipeline(body, response)
  } catch (error) {
    // The client may leave in the middle of a long answer.
    if ((error as { code?: unknown }).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error
  }
}
