import { connect } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import { afterAll } from 'vitest'
import type { ProviderId } from '../../packages/contracts/src/provider-ids.ts'
import { problemSchema } from '../../packages/contracts/src/problem.ts'
import type { Route } from '../../packages/contracts/src/route.ts'
import { routes } from '../../packages/contracts/src/routes.ts'
import { systemRoutes } from '../../packages/contracts/src/system-routes.ts'
import { startMuster, type Muster, type MusterOptions } from './harness.ts'
import type { Answer, RequestOptions } from './request.ts'

const all = Object.values<Route>({ ...routes, ...systemRoutes })
const toPattern = (path: string): RegExp => new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`)

function routeOf(method: string, path: string): Route | undefined {
  const bare = path.split('?')[0] ?? ''
  return all.find((route) => route.method === method.toLowerCase() && toPattern(route.path).test(bare))
}

/**
 * Throws unless the answer is one that the OpenAPI document promises: a documented status, a body of its schema and
 * nothing beside it, or a problem.
 */
export function checkAnswer(method: string, path: string, { status, headers, body }: Answer<unknown>): void {
  const fail = (what: string): never => {
    throw new Error(`${method} ${path} answered ${status} and ${what}: ${JSON.stringify(body)?.slice(0, 1_000)}`)
  }
  if (!headers.get('x-request-id')) fail('carries no x-request-id')
  const route = routeOf(method, path)
  const documented = route?.responses[status]
  if (route && !documented) fail('the document does not know that status')
  if (status === 204 || status === 304) return body === undefined ? undefined : fail('has a body')
  if (status >= 400 && !documented?.schema) {
    if (headers.get('content-type') !== 'application/problem+json') fail('is no problem+json')
    const problem = problemSchema.safeParse(body)
    if (!problem.success) return fail(`is no problem (${problem.error.message})`)
    const undescribed = Object.keys(problem.data).filter((name) => !(name in problemSchema.shape))
    if (undescribed.length > 0) fail(`has members that no document describes (${undescribed.join(', ')})`)
    if (problem.data.status !== status || problem.data.request_id !== headers.get('x-request-id'))
      fail('does not name its own status and request id')
    if (status === 422 && problem.data.code === 'validation_failed' && !problem.data.errors?.length)
      fail('names no pointer')
    return
  }
  if (!documented?.schema || documented.contentType) return
  const parsed = documented.schema.safeParse(body)
  if (!parsed.success) return fail(`does not fit its schema (${parsed.error.message})`)
  if (!isDeepStrictEqual(parsed.data, body)) fail('holds more than its schema names')
}

/** A client of Muster that takes no answer which breaks the contract. */
export function clientOf(muster: Muster) {
  const request = async <T = Record<string, unknown>>(
    method: string,
    path: string,
    options?: RequestOptions,
  ): Promise<Answer<T>> => {
    const answer = await muster.request<T>(method, path, options)
    checkAnswer(method, path, answer)
    return answer
  }
  return {
    request,
    create: <T = Record<string, unknown>>(
      accountId: string,
      body: unknown,
      options: { query?: string; headers?: Record<string, string>; key?: string } = {},
    ) => {
      const { query, ...rest } = options
      return request<T>(
        'POST',
        `/unified/user-directory/users?integrated_account_id=${accountId}${query ? `&${query}` : ''}`,
        { body, ...rest },
      )
    },
    /** A body that is not JSON, or not yet; its answer is checked as any other. */
    upload: async <T = Record<string, unknown>>(
      path: string,
      body: string | Buffer,
      headers: Record<string, string>,
    ): Promise<Answer<T>> => {
      const response = await fetch(muster.url() + path, {
        method: 'POST',
        headers: { authorization: `Bearer ${muster.owner.adminKey}`, ...headers },
        body,
      })
      const answer = { status: response.status, headers: response.headers, body: (await response.json()) as T }
      checkAnswer('POST', path, answer)
      return answer
    },
    /** An answer that is not JSON. */
    text: async (path: string): Promise<string> => {
      const response = await fetch(muster.url() + path, {
        headers: { authorization: `Bearer ${muster.owner.adminKey}` },
      })
      if (response.status !== 200) throw new Error(`${path} answered ${response.status}: ${await response.text()}`)
      return response.text()
    },
    /** How many operations the tenant has, as far as one page tells. */
    countOperations: async (accountId: string): Promise<number> =>
      (await request<{ result: unknown[] }>('GET', `/operations?integrated_account_id=${accountId}&limit=100`)).body
        .result.length,
  }
}

/** A Muster for all tests of a file, with a client that checks the contract; closed after the last of them. */
export async function startContract(options?: MusterOptions) {
  const muster = await startMuster(options)
  afterAll(() => muster.close())
  return { muster, client: clientOf(muster) }
}

/** An account that no limit slows down, of the provider's simulator or its own. */
export async function connectUnlimited(muster: Muster, provider: ProviderId): Promise<string> {
  await muster.simulators[provider].set({ rate_limit: null })
  return muster.connect(provider, { limits: { requests: 1_000, per_seconds: 1 } })
}

export interface RawAnswer {
  status: number
  head: string
  body: string
}

/** Bytes as they are on the wire, for what no HTTP client would send. Resolves when the server closes. */
export function sendRaw(url: string, bytes: string | Buffer): Promise<RawAnswer> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = connect(Number(port), hostname, () => socket.write(bytes))
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.on('error', reject)
    socket.on('close', () => {
      const text = Buffer.concat(chunks).toString()
      const [head = '', ...rest] = text.split('\r\n\r\n')
      resolve({ status: Number(head.split(' ')[1]), head, body: rest.join('\r\n\r\n') })
    })
  })
}

export interface ProblemBody {
  code: string
  detail: string
  errors?: { pointer: string; code: string; detail: string }[]
  operation?: string
}

export const pointersOf = (answer: Answer<unknown>): string[] =>
  ((answer.body as ProblemBody).errors ?? []).map(({ pointer }) => pointer)
