import type { HeldBound } from '@muster/contracts/bounds'
import type { Warning } from '@muster/contracts/operation'
import type { Route } from '@muster/contracts/route'
import type { FairGate } from '@muster/egress/fair-gate'
import { isRedisUnavailable } from '@muster/store/redis/connect'
import type { Store } from '@muster/store/store'
import type { Request, RequestHandler, Response } from 'express'
import type { ApiMetrics } from '../metrics.ts'
import { requestIdOf } from './answer-errors.ts'
import { authenticate, revoked, toCaller } from './authenticate.ts'
import type { AnyInput, ApiResponse, Endpoint, RequestContext } from './endpoint.ts'
import type { Access, HeldRequests } from './held-requests.ts'
import type { Caller } from './own-records.ts'
import { parsePrefer, type Preferences } from './prefer.ts'
import { readInput } from './read-input.ts'
import { invalid } from './request-error.ts'
import { sendAnswer } from './send-answer.ts'

export interface ServeOptions {
  store: Pick<Store, 'tenants' | 'hasher'>
  metrics: ApiMetrics
  held: HeldRequests
  /** Requests being handled, for each tenant and in total. */
  turns: FairGate
  isDraining(): boolean
}

/** Serves one route: authenticates, validates, handles, answers. */
export function serveEndpoint(options: ServeOptions, endpoint: Endpoint): RequestHandler {
  const { store, held, metrics, turns, isDraining } = options
  const { route } = endpoint
  return async (request, response) => {
    measure(metrics, route, response)
    const key = await authenticate(store.tenants, request.get('authorization'), route.scope)
    const caller = toCaller(key)
    // Reads the hash key at the first use: nothing is encrypted or decrypted with keys that do not fit this Redis.
    await store.hasher()
    const { input, textWarnings } = await readValidInput(endpoint, request, caller)
    const prefer = readPreferences(route, request, response)
    const left = new AbortController()
    // Not after every answer: an abort that no one waits for costs an exception with its stack.
    response.once('close', () => {
      if (!response.writableFinished) left.abort()
    })
    const context = {
      requestId: requestIdOf(response),
      tenantId: caller.tenantId,
      caller,
      prefer,
      textWarnings,
      ...(route.streamedBody ? { stream: request } : {}),
      signal: left.signal,
    }

    const answer = async (): Promise<void> => {
      const answered = await handleInTurn(turns, endpoint, context, input)
      if (!left.signal.aborted) await sendAnswer(response, answered, isDraining())
    }
    const bound = heldBoundOf(route, prefer, input.query)
    await (bound === null ? answer() : whileKeyIsValid(held, bound, key, left, answer))
  }
}

function measure(metrics: ApiMetrics, route: Route, response: Response): void {
  const stopTimer = metrics.requests.startTimer({ route: route.id })
  response.once('finish', () => stopTimer({ status: String(response.statusCode) }))
}

async function readValidInput(
  endpoint: Endpoint,
  request: Request,
  caller: Caller,
): Promise<{ input: AnyInput; textWarnings: Warning[] }> {
  const { input, raw, problems, textWarnings } = await readInput(endpoint.route, request)
  if (problems.length === 0) return { input, textWarnings }
  const more = await endpoint.findMoreProblems({ caller, raw, problems }, input.params)
  throw invalid([...problems, ...more])
}

const takesPrefer = ({ headers }: Route): boolean => headers !== undefined && 'prefer' in headers.shape

/**
 * RFC 7240 section 3. Vary is on every answer of such a route, since the answer depends on the header being absent too.
 */
function readPreferences(route: Route, request: Request, response: Response): Preferences {
  // HEAD is GET without the body, and has nothing to wait for.
  const prefer = parsePrefer(request.method === 'HEAD' ? undefined : request.get('prefer'))
  if (takesPrefer(route)) {
    response.vary('prefer')
    if (prefer.applied) response.setHeader('preference-applied', prefer.applied)
  }
  return prefer
}

/**
 * When a tenant sends many requests at once, some wait, so that the event loop has room for other tenants. Requests
 * that last have a bound of their own instead.
 */
async function handleInTurn(
  turns: FairGate,
  { route, handle }: Endpoint,
  context: Omit<RequestContext, 'leaveTurn'>,
  input: AnyInput,
): Promise<ApiResponse> {
  const leaveTurn = route.holds ? () => undefined : await turns.enter(context.tenantId, context.signal)
  try {
    return await handle({ ...context, leaveTurn }, input)
  } catch (error) {
    // Those behind it would wait for the same time-out, one after the other.
    if (isRedisUnavailable(error)) turns.refuseWaiting(error)
    throw error
  } finally {
    leaveTurn()
  }
}

/** Which bound counts a request that lasts: that of its route, or of the client's wish to wait. */
function heldBoundOf(route: Route, prefer: Preferences, query: unknown): HeldBound | null {
  if (route.holds === 'uploads' && isDryRun(query)) return 'dryRuns'
  if (route.holds) return route.holds
  return prefer.waitMs > 0 && takesPrefer(route) ? 'waits' : null
}

const isDryRun = (query: unknown): boolean =>
  typeof query === 'object' && query !== null && 'dry_run' in query && query.dry_run === true

/** Counts a request that lasts, and ends it when its key is revoked. */
async function whileKeyIsValid(
  held: HeldRequests,
  bound: HeldBound,
  key: Access,
  left: AbortController,
  answer: () => Promise<void>,
): Promise<void> {
  let end: () => void = () => undefined
  const isRevoked = new Promise<never>((_, reject) => {
    end = () => {
      left.abort()
      reject(revoked())
    }
  })
  const leave = held.enter(bound, key, end)
  try {
    await Promise.race([answer(), isRevoked])
  } finally {
    leave()
  }
}
