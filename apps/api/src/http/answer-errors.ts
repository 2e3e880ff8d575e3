import { randomUUID } from 'node:crypto'
import type { Logger } from '@muster/process/logger'
import type { NextFunction, Request, RequestHandler, Response } from 'express'
import { PROBLEM_TYPE, toProblem, toRequestError } from './problem.ts'

/** The client's own id where it is harmless, else a new one; on every answer. */
export const assignRequestId: RequestHandler = (request, response, next) => {
  const given = request.get('x-request-id')
  response.setHeader('x-request-id', given && /^[\w.-]{1,64}$/.test(given) ? given : randomUUID())
  next()
}

export const requestIdOf = (response: Response): string => String(response.getHeader('x-request-id'))

/** The last middleware: an error is logged by an allow-list, and answered as a problem. */
export function answerErrors({ log, isDraining }: { log: Logger; isDraining(): boolean }) {
  return (thrown: unknown, request: Request, response: Response, _next: NextFunction): void => {
    // The client has left: no error, and no one reads the answer.
    // An upload that was read to its end has released its socket; the answer still has it.
    if (response.socket?.destroyed ?? response.destroyed) return
    // Discards the rest of a refused upload, for as long as http-server.ts waits for it.
    request.resume()
    const { error, isOurs } = toRequestError(thrown)
    const requestId = requestIdOf(response)
    if (isOurs)
      log[error.status === 503 ? 'warn' : 'error'](
        { err: thrown, request_id: requestId, method: request.method, path: request.path },
        'request failed',
      )
    if (response.headersSent) return void response.destroy()
    if (isDraining()) response.setHeader('connection', 'close')
    for (const [name, value] of Object.entries(error.headers)) response.setHeader(name, value)
    response.status(error.status).setHeader('content-type', PROBLEM_TYPE)
    response.end(JSON.stringify(toProblem(error, requestId)))
  }
}
