import type { RequestHandler } from 'express'
import { RequestError } from './request-error.ts'

/** What RFC 9110 and 9112 require of every request. */
export const checkHead: RequestHandler = (request, _, next) => {
  const hosts = request.headersDistinct.host ?? []
  if (hosts.length !== 1 && request.httpVersion === '1.1')
    throw new RequestError('malformed_request', 'Send one Host header.', { headers: { connection: 'close' } })
  const { expect } = request.headers
  if (expect !== undefined && expect.toLowerCase() !== '100-continue')
    throw new RequestError('expectation_failed', 'The only supported expectation is 100-continue.')
  next()
}
