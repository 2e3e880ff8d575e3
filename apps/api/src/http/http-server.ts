import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { answerClientError } from './client-error.ts'

/** A whole upload of many rows; bodies of other requests are given less, where they are read. */
const UPLOAD_TIMEOUT_MS = 15 * 60_000
/** Node counts the headers of a reused connection from its last answer in some versions: never the shorter of the two. */
const HEADERS_BEYOND_KEEP_ALIVE_MS = 5_000
/** Many a client listens only when it has sent everything: what a body has left after its answer may come until then. */
const LINGER_MS = 1_000

/** Node's HTTP server, with what it would refuse or leave open by itself answered as the API does. */
export function createHttpServer(app: RequestListener, { keepAliveMs }: { keepAliveMs: number }): Server {
  const serve: RequestListener = (request, response) => {
    response.once('finish', () => endUnread(request))
    app(request, response)
  }
  const server = createServer(
    {
      headersTimeout: keepAliveMs + HEADERS_BEYOND_KEEP_ALIVE_MS,
      requestTimeout: UPLOAD_TIMEOUT_MS,
      keepAliveTimeout: keepAliveMs,
      maxHeaderSize: 16_384,
    },
    serve,
  )
  server.on('clientError', answerClientError)
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
