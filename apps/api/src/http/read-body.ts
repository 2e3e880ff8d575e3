import { isUtf8 } from 'node:buffer'
import type { Request } from 'express'
import { RequestError } from './request-error.ts'

const MAX_BYTES = 1024 * 1024
/** For at most a megabyte. */
const BODY_TIMEOUT_MS = 30_000

const tooLarge = () => new RequestError('payload_too_large', 'The body is larger than 1 MiB.')
const malformed = (detail: string) => new RequestError('malformed_json', detail)

export function hasBody(request: Request): boolean {
  const length = request.get('content-length')
  return request.get('transfer-encoding') !== undefined || (length !== undefined && length !== '0')
}

/** The body as JSON. @throws RequestError */
export async function readBody(request: Request): Promise<unknown> {
  if (!hasBody(request)) throw malformed('The body is missing: send a JSON object.')
  if (!request.is(['application/json', 'application/*+json']))
    throw new RequestError('unsupported_media_type', 'Send the body as application/json.')
  if ((request.get('content-encoding') ?? 'identity').toLowerCase() !== 'identity')
    throw new RequestError('unsupported_media_type', 'The content encoding is not supported: send the body as it is.')
  const [, charset = 'utf-8'] = /;\s*charset\s*=\s*"?([^\s";]+)/i.exec(request.get('content-type') ?? '') ?? []
  if (charset.toLowerCase() !== 'utf-8') throw new RequestError('unsupported_media_type', 'The body must be UTF-8.')
  const bytes = await readBytes(request)
  // RFC 8259 section 8.1. Decoding would put U+FFFD for every wrong byte, into the name of a user.
  if (!isUtf8(bytes)) throw malformed('The body is not valid UTF-8.')
  try {
    return JSON.parse(bytes.toString().replace(/^\uFEFF/, '')) as unknown
  } catch {
    // The parser's message quotes the body.
    throw malformed('The body is not valid JSON.')
  }
}

/** Stops at the limit: too large a body is refused at once, not at its end. */
async function readBytes(request: Request): Promise<Buffer> {
  if (Number(request.get('content-length') ?? 0) > MAX_BYTES) throw tooLarge()
  const chunks: Buffer[] = []
  let size = 0
  return new Promise<Buffer>((resolve, reject) => {
    const late = setTimeout(
      () =>
        refuse(
          new RequestError('request_timeout', 'The body did not arrive in time.', { headers: { connection: 'close' } }),
        ),
      BODY_TIMEOUT_MS,
    )
    const take = (chunk: Buffer): void => {
      size += chunk.length
      chunks.push(chunk)
      if (size > MAX_BYTES) refuse(tooLarge())
    }
    const breakOff = (): void => refuse(malformed('The body ended before its content-length.'))
    const end = (): void => {
      leave()
      resolve(Buffer.concat(chunks, size))
    }
    const leave = (): void => {
      clearTimeout(late)
      request.off('data', take).off('end', end).off('error', breakOff).off('close', breakOff)
    }
    // The rest is left unread: answer-errors.ts discards it.
    const refuse = (error: RequestError): void => {
      leave()
      request.pause()
      reject(error)
    }
    if (request.destroyed) return breakOff()
    request.on('data', take).on('end', end).on('error', breakOff).on('close', breakOff)
  })
}
