import type { IncomingMessage } from 'node:http'
import type { InputProblem } from '@muster/contracts/problem'
import type { Route } from '@muster/contracts/route'
import type { z } from 'zod'
import type { Caller } from './own-records.ts'
import type { Preferences } from './prefer.ts'

type Output<S> = S extends z.ZodType ? z.output<S> : undefined

/** A request that passed: who asks, and the input as its schemas gave it. */
export interface ApiRequest<R extends Route> {
  requestId: string
  tenantId: string
  caller: Caller
  params: Output<R['params']>
  query: Output<R['query']>
  headers: Output<R['headers']>
  body: Output<R['body']>
  prefer: Preferences
  /** The body as it comes in, where the route reads it itself. */
  stream?: IncomingMessage
  /** Aborted when the client goes away. */
  signal: AbortSignal
  /** Before it waits for anything but Redis: other requests of the tenant need not wait with it. */
  leaveTurn(): void
}

export interface ApiResponse {
  status: number
  headers?: Record<string, string>
  /** A stream is sent as it comes, bytes as they are; everything else as JSON. */
  body?: unknown
}

/** A request that schemas refused. `raw` is what was sent; undefined where it was not safe to look at. */
export interface RefusedRequest {
  tenantId: string
  caller: Caller
  params: Record<string, string>
  raw: { query: Record<string, unknown>; body: unknown }
  problems: readonly InputProblem[]
}

export interface Endpoint<R extends Route = Route> {
  route: R
  handle(request: ApiRequest<R>): Promise<ApiResponse>
  /** The problems that schemas cannot see, so that everything is reported at once. */
  findMoreProblems?(refused: RefusedRequest): Promise<InputProblem[]>
}

export function defineEndpoint<const R extends Route>(
  route: R,
  handle: Endpoint<R>['handle'],
  findMoreProblems?: Endpoint<R>['findMoreProblems'],
): Endpoint {
  return { route, handle, ...(findMoreProblems ? { findMoreProblems } : {}) } as unknown as Endpoint
}

/** Of `found`, what is not said already: a field that is there and malformed is not missing too. */
export function notYetKnown(found: InputProblem[], known: readonly InputProblem[]): InputProblem[] {
  return found.filter(
    ({ pointer }) => !known.some((other) => other.pointer === pointer || other.pointer.startsWith(`${pointer}/`)),
  )
}
