export interface Answer<T = Record<string, unknown>> {
  status: number
  headers: Headers
  body: T
}

export interface RequestOptions {
  body?: unknown
  rawBody?: string
  headers?: Record<string, string>
  /** null: none; default: the admin key of the owner. */
  key?: string | null
}

/** Sends requests to an API whose address may change, with a key that is used where none is given. */
export const createRequest =
  (url: () => string, ownKey: string) =>
  async <T = Record<string, unknown>>(
    method: string,
    path: string,
    { body, rawBody, headers, key = ownKey }: RequestOptions = {},
  ): Promise<Answer<T>> => {
    const hasBody = body !== undefined || rawBody !== undefined
    const send = (): Promise<Response> =>
      fetch(url() + path, {
        method,
        headers: {
          ...(key === null ? {} : { authorization: `Bearer ${key}` }),
          ...(hasBody ? { 'content-type': 'application/json' } : {}),
          ...headers,
        },
        ...(hasBody ? { body: rawBody ?? JSON.stringify(body) } : {}),
      })
    // The API closes an idle connection after a while; on a busy machine that can cross the next request.
    const response = await send().catch((error: unknown) =>
      isClosedIdle(error) ? send() : Promise.reject(error as Error),
    )
    return { status: response.status, headers: response.headers, body: parseBody(await response.text()) as T }
  }

function parseBody(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text)
  } catch {
    return { text }
  }
}

/** Nothing of an answer had come: the server closed the connection before it read the request. */
const isClosedIdle = (error: unknown): boolean =>
  error instanceof TypeError && error.cause instanceof Error && error.cause.message === 'other side closed'
