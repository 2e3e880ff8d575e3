/** One HTTP exchange, as the owner of the sockets takes it. Redirects are never followed. */
export interface HttpRequest {
  method: string
  url: string
  headers: Record<string, string>
  body?: string
  /**
   * From when the request leaves to the last byte of the answer. Waiting for a connection and opening one have limits
   * of their own, and a call that ends there was not sent.
   */
  timeoutMs: number
  /**
   * Reads no more of the answer than this and gives the connection up. Also says that the status is what counts: when
   * time runs out while the body is read, the answer is what there was of it. Without it an answer is whole, or an
   * error.
   */
  readAtMostBytes?: number
  signal?: AbortSignal
  /** Called when the request leaves: its connection is open, and its headers are written. */
  onSent?(): void
}

export interface HttpResponse {
  status: number
  /** Names in lower case; repeated headers joined by a comma. */
  headers: Record<string, string>
  body: string
  /** There was more, or may have been: `body` is what had come. Only with `readAtMostBytes`. */
  isTruncated?: true
}

/**
 * Leave for one call, and what that call tells of itself: a provider counts it from when it arrives, which lies between
 * the two.
 */
export interface CallPermit {
  sent(): void
  /** An answer came, or none will. */
  ended(): void
  /** The call was never made: it takes nothing from the limit. */
  unused(): void
}

/** Throws `TransportError` when no complete answer came. */
export type HttpClient = (request: HttpRequest) => Promise<HttpResponse>

/**
 * No complete answer came. `isSent` decides everything after a create: false only when not one byte of the request can
 * have arrived.
 */
export class TransportError extends Error {
  override readonly name = 'TransportError'
  readonly code: string
  readonly isSent: boolean
  constructor(code: string, isSent: boolean, options?: { cause?: unknown }) {
    super(code, options)
    this.code = code
    this.isSent = isSent
  }
}
