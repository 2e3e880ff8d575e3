import { isUtf8 } from 'node:buffer'
import express, { type Request, type Response } from 'express'
import { RequestError } from './request-error.ts'

/** Of a megabyte at most. */
const BODY_TIMEOUT_MS = 30_000

class BodyTypeError extends Error {
  readonly type: string
  constructor(type: string) {
    super(type)
    this.type = type
  }
}

const parseJson = express.json({
  limit: '1mb',
  strict: false,
  inflate: false,
  type: () => true,
  // RFC 8259 section 8.1. Left to itself, the parser puts U+FFFD for every byte that is no UTF-8, and the user gets
  // another name.
  verify(_request, _response, bytes, encoding) {
    if (encoding !== 'utf-8') throw new BodyTypeError('charset.unsupported')
    if (!isUtf8(bytes)) throw new BodyTypeError('not_utf8')
  },
})

/** Errors of the parser, by their `type`. They carry the raw body: nothing but the type is ever read from them. */
const refusals: Record<string, () => RequestError> = {
  'entity.parse.failed': () => new RequestError('malformed_json', 'The body is not valid JSON.'),
  not_utf8: () => new RequestError('malformed_json', 'The body is not valid UTF-8.'),
  'entity.too.large': () => new RequestError('payload_too_large', 'The body is larger than 1 MiB.'),
  'encoding.unsupported': () =>
    new RequestError('unsupported_media_type', 'The content encoding is not supported: send the body as it is.'),
  'charset.unsupported': () => new RequestError('unsupported_media_type', 'The body must be UTF-8.'),
  'request.aborted': () => new RequestError('malformed_json', 'The body ended before its content-length.'),
  'request.size.invalid': () =>
    new RequestError('malformed_json', 'The body does not have the size that its content-length says.'),
}

export function hasBody(request: Request): boolean {
  const length = request.get('content-length')
  return request.get('transfer-encoding') !== undefined || (length !== undefined && length !== '0')
}

/** The body as JSON. @throws RequestError */
export async function readBody(request: Request, response: Response): Promise<unknown> {
  if (!hasBody(request)) throw new RequestError('malformed_json', 'The body is missing: send a JSON object.')
  if (!request.is(['application/json', 'application/*+json']))
    throw new RequestError('unsupported_media_type', 'Send the body as application/json.')
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(
      () =>
        reject(
          new RequestError('request_timeout', 'The body did not arrive in time.', { headers: { connection: 'close' } }),
        ),
      BODY_TIMEOUT_MS,
    )
    parseJson(request, response, (error?: unknown) => {
      clearTimeout(timer)
      if (error === undefined) return resolve()
      const type = String((error as { type?: unknown } | null)?.type)
      reject(Object.hasOwn(refusals, type) ? refusals[type]?.() : error)
    })
  })
  return request.body as unknown
}
