import { randomUUID } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { PROBLEM_TYPE, toProblem } from './problem.ts'
import { RequestError } from './request-error.ts'

function toRefusal(code: string | undefined): RequestError {
  if (code === 'HPE_HEADER_OVERFLOW')
    return new RequestError('headers_too_large', 'The address and the headers together are larger than 16 KiB.')
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new RequestError('request_timeout', 'The request did not arrive in time.')
  return new RequestError('malformed_request', 'This is not HTTP.')
}

/** What Node's parser refuses never becomes a request: it is answered here, as a problem like everything else. */
export function answerClientError(error: Error & { code?: string }, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const refusal = toRefusal(error.code)
  const requestId = randomUUID()
  const body = JSON.stringify(toProblem(refusal, requestId))
  const head = [
    `HTTP/1.1 ${refusal.status} ${toProblem(refusal, requestId).title}`,
    `content-type: ${PROBLEM_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    'connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}
