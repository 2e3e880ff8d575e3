import type { InputProblem } from '@muster/contracts/problem'
import type { Route } from '@muster/contracts/routes'
import type { z } from 'zod'
import type { Preferences } from './prefer.ts'

type Output<S> = S extends z.ZodType ? z.output<S> : undefined

/** A request that passed: who asks, and the input as its schemas gave it. */
export interface ApiRequest<R extends Route> {
  requestId: string
  tenantId: string
  params: Output<R['params']>
  query: Output<R['query']>
  body: Output<R['body']>
  header(name: string): string | undefined
  prefer: Preferences
  /** Aborted when the client goes away. */
  signal: AbortSignal
}

export interface ApiResponse {
  status: number
  headers?: Record<string, string>
  body?: unknown
}

export interface Endpoint<R extends Route = Route> {
  route: R
  handle(request: ApiRequest<R>): Promise<ApiResponse>
  /** Called when schemas found problems, to add those that they cannot see, so that everything is reported at once. */
  addProblems?(raw: { tenantId: string; query: Record<string, unknown>; body: unknown; problems: readonly InputProblem[] }): Promise<InputProblem[]>
}

export function defineEndpoint<const R extends Route>(route: R, handle: Endpoint<R>['handle'], addProblems?: Endpoint<R>['addProblems']): Endpoint {
  return { route, handle, ...(addProblems ? { addProblems } : {}) } as unknown as Endpoint
}
