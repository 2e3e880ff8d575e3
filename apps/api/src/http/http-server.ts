import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { answerClientError, refuseTunnel } from './client-error.ts'

/** For a whole upload; other bodies have less time, in read-body.ts. */
const UPLOAD_TIMEOUT_MS = 15 * 60_000
/** Some versions of Node count the headers of a reused connection from its last answer: this limit is the longer. */
const HEADERS_BEYOND_KEEP_ALIVE_MS = 5_000
/** Many clients read the answer only after sending everything: the rest of a body may arrive until then. */
const LINGER_MS = 1_000

/** Node's HTTP server, in which what Node refuses by itself is answered as the API does. */
export function createHttpServer(app: RequestListener, { keepAliveMs }: { keepAliveMs: number }): Server {
  const latest = new WeakMap<Duplex, ServerResponse>()
  const serve: RequestListener = (request, response) => {
    latest.set(request.socket, response)
    response.once('finish', () => endUnread(request))
    app(request, response)
  }
  const server = createServer(
    {
      headersTimeout: keepAliveMs + HEADERS_BEYOND_KEEP_ALIVE_MS,
      requestTimeout: UPLOAD_TIMEOUT_MS,
      keepAliveTimeout: keepAliveMs,
      maxHeaderSize: 16_384,
      // The app refuses these itself: Node does it without a body.
      requireHostHeader: false,
    },
    serve,
  )
  server.on('checkExpectation', serve)
  server.on('connect', (_, socket) => refuseTunnel(socket))
  server.on('clientError', (error, socket) => answerClientError(error, socket, latest.get(socket)))
  return server
}

/** A slow body must not hold the connection of an answered request until the upload time-out. */
function endUnread(request: IncomingMessage): void {
  if (request.complete) return
  request.resume()
  const timer = setTimeout(() => request.socket.destroy(), LINGER_MS)
  const forget = (): void => clearTimeout(timer)
  request.once('end', forget).once('close', forget)
}
