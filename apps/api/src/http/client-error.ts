import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
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

/**
 * Answers what Node's parser refuses, and what therefore never becomes a request.
 * @param latest the answer to the request before on the connection, or to the one whose body cannot be read
 */
export function answerClientError(error: Error & { code?: string }, socket: Duplex, latest?: ServerResponse): void {
  const isAnswering = latest !== undefined && !latest.writableFinished
  // Bytes sent now would be taken for a part of that answer, or for the answer to a request that may still succeed.
  const isMisread = isAnswering && (latest.headersSent || latest.req.complete)
  if (error.code === 'ECONNRESET' || !socket.writable || isMisread) return void socket.destroy()
  endWithProblem(socket, toRefusal(error.code))
}

/** The target of CONNECT is not a path. */
export function refuseTunnel(socket: Duplex): void {
  const allow = 'GET, HEAD, POST, PATCH, DELETE'
  endWithProblem(
    socket,
    new RequestError('method_not_allowed', 'This is not a proxy: CONNECT is not supported.', { headers: { allow } }),
  )
}

function endWithProblem(socket: Duplex, refusal: RequestError): void {
  const problem = toProblem(refusal, randomUUID())
  const body = JSON.stringify(problem)
  const head = [
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    `content-type: ${PROBLEM_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${problem.request_id}`,
    ...Object.entries(refusal.headers).map(([name, value]) => `${name}: ${value}`),
    'connection: close',
  ]
  socket.on('error', () => undefined)
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}
