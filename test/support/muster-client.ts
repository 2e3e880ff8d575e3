import type { ProviderId } from '../../packages/contracts/src/provider-ids.ts'
import { eventually } from './eventually.ts'
import type { Answer, createRequest } from './request.ts'
import { sampleOf } from './samples.ts'

/** What tests ask of a Muster most: connect an account, create a user, wait for its end. */
export function createMusterClient(request: ReturnType<typeof createRequest>, urls: Record<ProviderId, string>) {
  return {
    request,
    /** An integrated account on the simulator, with the credentials that it accepts, as the demo has. */
    async connect(
      provider: ProviderId,
      more: {
        config?: Record<string, unknown>
        limits?: Record<string, number>
        credentials?: Record<string, unknown>
        mode?: 'live' | 'test'
        key?: string
      } = {},
    ): Promise<string> {
      const sample = sampleOf(provider)
      // Untested, since tests count the calls of the work alone.
      const answer = await request<{ id: string }>('POST', '/integrated-accounts?test=false', {
        body: {
          provider,
          name: provider,
          credentials: more.credentials ?? sample.credentials,
          config: { ...sample.config(urls[provider]), ...more.config },
          ...(more.limits ? { limits: more.limits } : {}),
          ...(more.mode ? { mode: more.mode } : {}),
        },
        ...(more.key ? { key: more.key } : {}),
      })
      if (answer.status !== 201) throw new Error(`could not connect ${provider}: ${JSON.stringify(answer.body)}`)
      return answer.body.id
    },
    /** The create call. `query` is what follows the account id, such as `on_conflict=adopt`. */
    create: <T = Record<string, unknown>>(
      accountId: string,
      body: unknown,
      options: { query?: string; headers?: Record<string, string>; key?: string } = {},
    ): Promise<Answer<T>> =>
      request<T>(
        'POST',
        `/unified/user-directory/users?integrated_account_id=${accountId}${options.query ? `&${options.query}` : ''}`,
        {
          body,
          ...(options.headers ? { headers: options.headers } : {}),
          ...(options.key ? { key: options.key } : {}),
        },
      ),
    /** Waits for the end of an operation by long polls. */
    finished: async (operationId: string, timeoutMs = 60_000): Promise<Record<string, unknown>> =>
      (
        await eventually(
          () =>
            request('GET', `/operations/${operationId}`, { headers: { prefer: 'wait=10' } }).catch(() => ({
              status: 0,
              headers: new Headers(),
              body: {} as Record<string, unknown>,
            })),
          ({ body }) => ['succeeded', 'failed', 'canceled', 'expired'].includes(String(body.status)),
          timeoutMs,
        )
      ).body,
  }
}
