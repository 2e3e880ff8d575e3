import { createServer, type RequestListener, type Server } from 'node:http'
import { answerClientError } from './client-error.ts'

/** A whole upload of many rows; bodies of other requests are given less, where they are read. */
const UPLOAD_TIMEOUT_MS = 15 * 60_000
/** Node counts the headers of a reused connection from its last answer in some versions: never the shorter of the two. */
const HEADERS_BEYOND_KEEP_ALIVE_MS = 5_000

/** Node's HTTP server, with what it would refuse or leave open by itself answered as the API does. */
export function createHttpServer(app: RequestListener, { keepAliveMs }: { keepAliveMs: number }): Server {
  const server = createServer(
    {
      headersTimeout: keepAliveMs + HEADERS_BEYOND_KEEP_ALIVE_MS,
      requestTimeout: UPLOAD_TIMEOUT_MS,
      keepAliveTimeout: keepAliveMs,
      maxHeaderSize: 16_384,
    },
    app,
  )
  server.on('clientError', answerClientError)
  return server
}
