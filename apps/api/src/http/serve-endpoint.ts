import type { HeldBound } from '@muster/contracts/bounds'
import type { Route } from '@muster/contracts/route'
import type { Store } from '@muster/store/store'
import type { RequestHandler, Response } from 'express'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ApiMetrics } from '../metrics.ts'
import { requestIdOf } from './answer-errors.ts'
import type { HeldRequests } from './held-requests.ts'
import type { FairGate } from '@muster/egress/fair-gate'
import { authenticate, revoked, toCaller } from './authenticate.ts'
import type { ApiResponse, Endpoint } from './endpoint.ts'
import { parsePrefer, type Preferences } from './prefer.ts'
import { readInput } from './read-input.ts'
import { invalid, notFound } from './request-error.ts'
import { validate } from './validate.ts'

export interface ServeOptions {
  store: Pick<Store, 'tenants' | 'hasher'>
  metrics: ApiMetrics
  held: HeldRequests
  /** Requests at work, for each tenant and in all. */
  turns: FairGate
  isDraining(): boolean
}

/** One route from its data: who asks, what is asked, the handler, the answer. */
export function serveEndpoint(
  { store, metrics, held, turns, isDraining }: ServeOptions,
  endpoint: Endpoint,
): RequestHandler {
  const { route } = endpoint
  return async (request, response) => {
    const stopTimer = metrics.requests.startTimer({ route: route.id })
    response.once('finish', () => stopTimer({ status: String(response.statusCode) }))
    const access =
      route.scope === null ? null : await authenticate(store.tenants, request.get('authorization'), route.scope)
    const caller = access === null ? { tenantId: '', isTest: false } : toCaller(access)
    const { tenantId } = caller

    // Opens the hash key at the first use: nothing is sealed or opened with keys that are not those of this Redis.
    await store.hasher()

    const params = route.params ? validate(route.params, request.params, 'path') : { value: undefined, problems: [] }
    // An id that is no id is as unknown as any other.
    if (params.problems.length > 0) throw notFound(nounOf(route))

    const { input, raw, problems } = await readInput(route, request)
    if (problems.length > 0)
      throw invalid([
        ...problems,
        ...((await endpoint.findMoreProblems?.({
          tenantId,
          caller,
          params: (params.value ?? {}) as Record<string, string>,
          raw,
          problems,
        })) ?? []),
      ])

    const left = new AbortController()
    response.once('close', () => left.abort())
    // HEAD is GET without the body (app.ts needs no route for it), and has nothing to wait for.
    const prefer = parsePrefer(request.method === 'HEAD' ? undefined : request.get('prefer'))
    announcePreferences(route, prefer, response)
    const handle = async (): Promise<ApiResponse> => {
      // Of a tenant that sends many at once, some wait, so that the event loop has room for another's. What lasts is
      // bounded by itself.
      const leaveTurn = route.scope === null || route.holds ? () => undefined : await turns.enter(tenantId, left.signal)
      return endpoint
        .handle({
          requestId: requestIdOf(response),
          tenantId,
          caller,
          params: params.value as never,
          query: input.query as never,
          headers: input.headers as never,
          body: input.body as never,
          prefer,
          ...(route.streamedBody ? { stream: request } : {}),
          signal: left.signal,
          leaveTurn,
        })
        .finally(leaveTurn)
    }
    const bound = heldBoundOf(route, prefer, input.query)
    if (bound === null || access === null) {
      const answer = await handle()
      if (!left.signal.aborted) await send(response, answer, isDraining())
      return
    }
    let end: () => void = () => undefined
    const isRevoked = new Promise<never>((_, reject) => {
      end = () => {
        left.abort()
        reject(revoked())
      }
    })
    const leave = held.enter(bound, access, end)
    try {
      const answer = await Promise.race([handle(), isRevoked])
      if (!left.signal.aborted) await Promise.race([send(response, answer, isDraining()), isRevoked])
    } finally {
      leave()
    }
  }
}

const isDryRun = (query: unknown): boolean =>
  typeof query === 'object' && query !== null && 'dry_run' in query && query.dry_run === true

/** What lasts: by its route, or because the client asks to be kept waiting. */
function heldBoundOf(route: Route, prefer: Preferences, query: unknown): HeldBound | null {
  if (route.holds === 'uploads' && isDryRun(query)) return 'dryRuns'
  if (route.holds) return route.holds
  return prefer.waitMs > 0 && route.headers && 'prefer' in route.headers.shape ? 'waits' : null
}

/** What its paths are about: "integrated account" for /integrated-accounts/{id}. */
const nounOf = (route: Route): string =>
  route.tag
    .replace(/ies$/, 'y')
    .replace(/(?<=ch)es$|s$/, '')
    .replace(/^[A-Z](?=[a-z])/, (first) => first.toLowerCase())

/**
 * RFC 7240 section 3. Vary stands on every answer of such a route, since it is the header's absence that the others
 * depend on.
 */
function announcePreferences(route: Route, prefer: Preferences, response: Response): void {
  if (!route.headers || !('prefer' in route.headers.shape)) return
  response.vary('prefer')
  if (prefer.applied) response.setHeader('preference-applied', prefer.applied)
}

async function send(response: Response, answer: ApiResponse, isDraining: boolean): Promise<void> {
  response.status(answer.status)
  response.setHeader('cache-control', 'no-store')
  for (const [name, value] of Object.entries(answer.headers ?? {})) response.setHeader(name, value)
  // The last answer on its connection, or clients that keep theirs open would hold the process until it is cut off.
  if (isDraining) response.setHeader('connection', 'close')
  if (answer.body === undefined) return void response.end()
  // Some never end, and the others would be read for nothing.
  if (answer.body instanceof Readable && response.req.method === 'HEAD') {
    answer.body.destroy()
    return void response.end()
  }
  if (answer.body instanceof Readable) return pipeline(answer.body, response).catch(ignoreLeaving)
  if (Buffer.isBuffer(answer.body)) return void response.end(answer.body)
  if (!response.hasHeader('content-type')) response.setHeader('content-type', 'application/json; charset=utf-8')
  response.end(JSON.stringify(answer.body))
}

/** Whoever reads a long answer may go away in the middle of it. */
function ignoreLeaving(error: unknown): void {
  if ((error as { code?: unknown }).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error
}
