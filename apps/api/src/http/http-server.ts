import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { answerClientError, refuseTunnel } from './client-error.ts'

/** A whole upload of many rows; bodies of other requests are given less, where they are read. */
const UPLOAD_TIMEOUT_MS = 15 * 60_000
/** Node counts the headers of a reused connection from its last answer in some versions: never the shorter of the two. */
const HEADERS_BEYOND_KEEP_ALIVE_MS = 5_000
/** Many a client listens only when it has sent everything: what a body has left after its answer may come until then. */
const LINGER_MS = 1_000

/** Node's HTTP server, with what it would refuse or leave open by itself answered as the API does. */
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

/** A body that comes in drops must not hold a connection, whose request was answered long ago, for a quarter of an hour. */
function endUnread(request: IncomingMessage): void {
  if (request.complete) return
  request.resume()
  const timer = setTimeout(() => request.socket.destroy(), LINGER_MS)
  const forget = (): void => clearTimeout(timer)
  request.once('end', forget).once('close', forget)
}
