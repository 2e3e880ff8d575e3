import { randomUUID } from 'node:crypto'
import type { InputProblem } from '@muster/contracts/problem'
import type { Logger } from '@muster/telemetry/logger'
import type { Store } from '@muster/store/store'
import express, { type NextFunction, type Request, type RequestHandler, type Response } from 'express'
import type { ApiMetrics } from '../metrics.ts'
import { authenticate } from './authenticate.ts'
import { checkBody } from './body.ts'
import type { Endpoint } from './endpoint.ts'
import { parsePrefer } from './prefer.ts'
import { PROBLEM_TYPE, toProblem, toRequestError } from './problem.ts'
import { parseQuery } from './query.ts'
import { invalid, notFound, RequestError } from './request-error.ts'
import { validate } from './validate.ts'

const MAX_BODY = '1mb'

const parseJson = express.json({ limit: MAX_BODY, strict: false, inflate: false, type: () => true })

function readBody(request: Request, response: Response): Promise<unknown> {
  return new Promise((resolve, reject) => {
    parseJson(request, response, (error?: unknown) => (error ? reject(error as Error) : resolve(request.body)))
  })
}

export const requestIdOf = (response: Response): string => String(response.getHeader('x-request-id'))

/** The client's own id where it is harmless, else a new one; on every answer, whatever happens after. */
export const assignRequestId: RequestHandler = (request, response, next) => {
  const given = request.get('x-request-id')
  response.setHeader('x-request-id', given && /^[\w.-]{1,64}$/.test(given) ? given : randomUUID())
  next()
}

export interface ServeOptions {
  store: Store
  log: Logger
  metrics: ApiMetrics
}

/** One route from its data: who asks, what is asked, the handler, the answer. */
export function serveEndpoint({ store, metrics }: ServeOptions, endpoint: Endpoint): RequestHandler {
  const { route } = endpoint
  return async (request, response) => {
    const stopTimer = metrics.requests.startTimer({ route: route.id })
    response.once('finish', () => stopTimer({ status: String(response.statusCode) }))
    const key = route.scope === null ? undefined : await authenticate(store.tenants, request.get('authorization'), route.scope)
    const tenantId = key?.tenantId ?? ''

    const params = route.params ? validate(route.params, request.params, 'path') : { value: undefined, problems: [] }
    // An id that is no id is as unknown as any other.
    if (params.problems.length > 0) throw notFound(route.tag.toLowerCase().replace(/s$/, ''))

    const rawQuery = parseQuery(request.url.split('?').slice(1).join('?'))
    const problems: InputProblem[] = [...rawQuery.problems]
    const query = route.query ? validate(route.query, rawQuery.value, 'query') : { value: undefined, problems: Object.keys(rawQuery.value).map((name) => ({ pointer: `?${name}`, code: 'unknown_parameter', detail: 'There is no such parameter.' })) }
    if (rawQuery.problems.length === 0) problems.push(...query.problems)

    let rawBody: unknown
    let body: unknown
    if (route.body) {
      const hasBody = request.get('content-length') !== '0' && (request.get('content-length') !== undefined || request.get('transfer-encoding') !== undefined)
      if (hasBody || !route.isBodyOptional) {
        if (hasBody && !request.is(['application/json', 'application/*+json'])) throw new RequestError('unsupported_media_type', 'Send the body as application/json.')
        rawBody = hasBody ? await readBody(request, response) : undefined
        if (rawBody === undefined) throw new RequestError('malformed_json', 'The body is missing: send a JSON object.')
        const unsafe = checkBody(rawBody)
        problems.push(...unsafe)
        if (unsafe.length === 0) {
          const parsed = validate(route.body, rawBody, 'body')
          problems.push(...parsed.problems)
          body = parsed.value
        }
      }
    }
    if (problems.length > 0) {
      if (endpoint.addProblems && !problems.some((problem) => problem.code === 'too_deep')) problems.push(...(await endpoint.addProblems({ tenantId, query: rawQuery.value, body: rawBody, problems })))
      throw invalid(problems)
    }

    const left = new AbortController()
    response.once('close', () => left.abort())
    const prefer = parsePrefer(request.get('prefer'))
    const answer = await endpoint.handle({
      requestId: requestIdOf(response),
      tenantId,
      params: params.value as never,
      query: query.value as never,
      body: body as never,
      header: (name) => request.get(name),
      prefer,
      signal: left.signal,
    })
    if (left.signal.aborted) return
    response.status(answer.status)
    for (const [name, value] of Object.entries(answer.headers ?? {})) response.setHeader(name, value)
    if (prefer.applied && (route.headers?.shape as Record<string, unknown> | undefined)?.prefer) {
      response.setHeader('preference-applied', prefer.applied)
      response.vary('prefer')
    }
    if (answer.body === undefined) response.end()
    else {
      if (!response.hasHeader('content-type')) response.setHeader('content-type', 'application/json; charset=utf-8')
      response.end(JSON.stringify(answer.body))
    }
  }
}

/** Last in line. Nothing of an error but an allow-list reaches the log, and nothing but a problem the client. */
export function answerErrors(log: Logger) {
  return (thrown: unknown, request: Request, response: Response, _next: NextFunction): void => {
    const { error, isOurs } = toRequestError(thrown)
    const requestId = requestIdOf(response)
    if (isOurs) log[error.status === 503 ? 'warn' : 'error']({ err: thrown, request_id: requestId, method: request.method, path: request.path }, 'request failed')
    if (response.headersSent) return void response.destroy()
    for (const [name, value] of Object.entries(error.headers)) response.setHeader(name, value)
    response.status(error.status).setHeader('content-type', PROBLEM_TYPE)
    // Whatever of the body was not read must not be taken for the next request.
    if (!request.complete) response.setHeader('connection', 'close')
    response.end(JSON.stringify(toProblem(error, requestId)))
  }
}
