import { randomUUID } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import type { ProviderId } from '../../packages/contracts/src/provider-ids.ts'
import { clientOf } from './contract.ts'
import { eventually, newUser, type Answer, type Muster } from './harness.ts'

export const BULK = '/unified/user-directory/users/bulk'

export type Counts = Record<
  'total' | 'rejected' | 'queued' | 'running' | 'retrying' | 'succeeded' | 'failed' | 'canceled' | 'expired',
  number
>

export interface Batch extends Record<string, unknown> {
  id: string
  status: string
  status_reason: string | null
  counts: Counts
  is_uploading: boolean
  retry_skipped: number
  uploaded_at: string | null
  accounts: {
    integrated_account_id: string
    provider: string
    counts: Omit<Counts, 'total' | 'rejected'>
    waiting_ahead: number
    eta_seconds: number | null
    limit_per_second: number | null
    resting_until: string | null
  }[]
  links: Record<string, string>
}

export interface UploadProblem {
  code: string
  detail: string
  batch_id?: string
  upload_error?: string
  line?: number | null
  byte?: number | null
  errors?: { pointer: string; code: string }[]
}

export interface Result extends Record<string, unknown> {
  row: number
  line: number | null
  status: string
  reference: string | null
  operation_id: string | null
  error_code: string | null
  errors: { pointer: string; code: string }[] | null
  columns?: Record<string, string>
}

export interface UploadOptions {
  /** The whole query, without the question mark. */
  query?: string
  type?: string
  /** Idempotency-Key. */
  key?: string
  headers?: Record<string, string>
}

const statuses = ['queued', 'running', 'retrying', 'succeeded', 'failed', 'canceled', 'expired'] as const
export const isOver = ({ status }: Pick<Batch, 'status'>): boolean => status === 'completed' || status === 'canceled'

/** What the results say, counted as a batch counts. */
export function recount(results: readonly Result[]): Counts {
  const of = (status: string): number => results.filter((result) => result.status === status).length
  return {
    total: results.length,
    rejected: of('rejected'),
    ...(Object.fromEntries(statuses.map((status) => [status, of(status)])) as Record<
      (typeof statuses)[number],
      number
    >),
  }
}

/** Items for one account, each with a login of its own. */
export const itemsOf = (
  provider: ProviderId,
  count: number,
  name: string = randomUUID().slice(0, 8),
): Record<string, unknown>[] =>
  Array.from({ length: count }, (_, index) => ({
    reference: `${name}-${index + 1}`,
    user: newUser(provider, `${name}.${index + 1}`),
  }))

export const toNdjson = (items: readonly unknown[]): string => items.map((item) => `${JSON.stringify(item)}\n`).join('')

/** Bulk provisioning as a client of it sees it; takes no answer that breaks the contract. */
export function batchClientOf(muster: Muster) {
  const client = clientOf(muster)
  const headersOf = ({ type = 'application/x-ndjson', key, headers }: UploadOptions): Record<string, string> => ({
    'content-type': type,
    ...(key ? { 'idempotency-key': key } : {}),
    ...headers,
  })
  const read = async (id: string): Promise<Batch> => (await client.request<Batch>('GET', `/batches/${id}`)).body
  return {
    ...client,
    bulk: <T = Batch & UploadProblem>(body: string | Buffer, options: UploadOptions = {}): Promise<Answer<T>> =>
      client.upload<T>(`${BULK}${options.query ? `?${options.query}` : ''}`, body, headersOf(options)),
    read,
    completed: async (id: string, timeoutMs = 60_000): Promise<Batch> =>
      (
        await eventually(
          () => client.request<Batch>('GET', `/batches/${id}`, { headers: { prefer: 'wait=10' } }),
          ({ body }) => isOver(body),
          timeoutMs,
        )
      ).body,
    until: (id: string, test: (batch: Batch) => boolean, timeoutMs?: number): Promise<Batch> =>
      eventually(() => read(id), test, timeoutMs),
    results: async (id: string, query = ''): Promise<Result[]> =>
      (await client.text(`/batches/${id}/results${query}`))
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Result),
    change: (id: string, what: 'pause' | 'resume' | 'cancel' | 'retry'): Promise<Answer<Batch & UploadProblem>> =>
      client.request('POST', `/batches/${id}/${what}`),
    /** An upload in pieces, whose connection the test has in its hand. */
    stream(options: UploadOptions = {}) {
      const { hostname, port } = new URL(muster.url())
      const request = httpRequest({
        hostname,
        port,
        method: 'POST',
        path: `${BULK}${options.query ? `?${options.query}` : ''}`,
        headers: { authorization: `Bearer ${muster.owner.adminKey}`, ...headersOf(options) },
      })
      const answered = new Promise<{ status: number; body: Batch & UploadProblem }>((resolve, reject) => {
        request.on('error', reject)
        request.on('response', (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('error', reject)
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              body: JSON.parse(Buffer.concat(chunks).toString()) as Batch & UploadProblem,
            }),
          )
        })
      })
      answered.catch(() => undefined)
      return {
        answered,
        /** Resolves when the piece has left. */
        send: (piece: string | Buffer): Promise<void> =>
          new Promise((resolve, reject) => void request.write(piece, (error) => (error ? reject(error) : resolve()))),
        end: (piece: string | Buffer = ''): void => void request.end(piece),
        drop: (): void => void request.destroy(),
      }
    },
  }
}
