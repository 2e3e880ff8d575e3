import type { IncomingMessage } from 'node:http'
import type { Scope } from '@muster/contracts/api-key'
import type { Warning } from '@muster/contracts/operation'
import type { InputProblem } from '@muster/contracts/problem'
import type { Route } from '@muster/contracts/route'
import type { z } from 'zod'
import type { Caller } from './own-records.ts'
import type { Preferences } from './prefer.ts'

/** A route that asks for an API key. */
export type KeyedRoute = Route & { scope: Scope }

type Output<S> = S extends z.ZodType ? z.output<S> : undefined

/** The input of a request, as the schemas of its route made it. */
interface RouteInput<R extends Route> {
  params: Output<R['params']>
  query: Output<R['query']>
  headers: Output<R['headers']>
  body: Output<R['body']>
}
/** The same for any route. */
export type AnyInput = Record<keyof RouteInput<Route>, unknown>

/** Who asks, and how. */
export interface RequestContext {
  requestId: string
  tenantId: string
  caller: Caller
  prefer: Preferences
  /** What was changed of the texts of the body. */
  textWarnings: readonly Warning[]
  /** The body as it arrives, where the route reads it itself. */
  stream?: IncomingMessage
  /** Aborted when the client goes away. */
  signal: AbortSignal
  /** Called before waiting for anything but Redis: other requests of the tenant need not wait with this one. */
  leaveTurn(): void
}

/** A request that passed every schema. */
export type ApiRequest<R extends Route> = RequestContext & RouteInput<R>

export interface ApiResponse {
  status: number
  headers?: Record<string, string>
  /** A stream is sent as it comes, a buffer as it is; everything else as JSON. */
  body?: unknown
}

/** A request that its schemas refused. `raw` is what was sent; undefined where it was not safe to read. */
export interface RefusedRequest {
  caller: Caller
  raw: { query: Record<string, unknown>; body: unknown }
  problems: readonly InputProblem[]
}

type Handler<R extends Route> = (request: ApiRequest<R>) => Promise<ApiResponse>
/** Problems that schemas cannot see, so that everything is reported at once. */
type ProblemFinder<R extends Route> = (
  refused: RefusedRequest & Pick<RouteInput<R>, 'params'>,
) => Promise<InputProblem[]>

/** A route and its handler, without the types of its input. */
export interface Endpoint {
  route: KeyedRoute
  handle(context: RequestContext, input: AnyInput): Promise<ApiResponse>
  findMoreProblems(refused: RefusedRequest, params: unknown): Promise<InputProblem[]>
}

/**
 * The only place that relates an input to its route's types: read-input.ts has parsed it by the schemas of this route.
 */
export function defineEndpoint<const R extends KeyedRoute>(
  route: R,
  handle: Handler<R>,
  findMoreProblems?: ProblemFinder<R>,
): Endpoint {
  return {
    route,
    handle: (context, input) => handle({ ...context, ...(input as RouteInput<R>) }),
    findMoreProblems: async (refused, params) =>
      (await findMoreProblems?.({ ...refused, params: params as RouteInput<R>['params'] })) ?? [],
  }
}

/** The problems of `found` that are not known yet: a field that is there and malformed is not missing too. */
export function notYetKnown(found: InputProblem[], known: readonly InputProblem[]): InputProblem[] {
  return found.filter(
    ({ pointer }) => !known.some((other) => other.pointer === pointer || other.pointer.startsWith(`${pointer}/`)),
  )
}
