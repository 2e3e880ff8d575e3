import type { ServerResponse } from 'node:http'
import type { Headers, Json } from './vendor.ts'

/** An answer ready for the wire. */
export interface WireAnswer {
  readonly status: number
  readonly headers: Headers
  readonly body: Buffer
}

/** How an answer leaves; `false` from a delivery means that the client got no whole answer. */
export type Delivery = (response: ServerResponse, answer: WireAnswer) => Promise<boolean>

export function toWireAnswer(status: number, headers: Headers, body: Json | undefined): WireAnswer {
  if (body === undefined) return { status, headers, body: Buffer.alloc(0) }
  const isText = typeof body === 'string'
  return {
    status,
    headers: { 'content-type': isText ? 'text/plain; charset=utf-8' : 'application/json', ...headers },
    body: Buffer.from(isText ? body : JSON.stringify(body)),
  }
}

const closings = new WeakMap<ServerResponse, Promise<false>>()

/**
 * The client left (or the simulator closed) before the answer was through. One listener a response, however many waits.
 */
function closed(response: ServerResponse): Promise<false> {
  let closing = closings.get(response)
  if (closing === undefined) {
    closing = new Promise<false>((resolve) => {
      if (response.destroyed) resolve(false)
      else response.once('close', () => resolve(false))
    })
    closings.set(response, closing)
  }
  return closing
}

/** Resolves to false when the client leaves first. */
async function pause(response: ServerResponse, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const elapsed = new Promise<true>((resolve) => {
    timer = setTimeout(() => resolve(true), ms)
  })
  const isHere = await Promise.race([elapsed, closed(response)])
  clearTimeout(timer)
  return isHere
}

async function write(response: ServerResponse, chunk: Buffer): Promise<boolean> {
  if (response.destroyed) return false
  const flushed = new Promise<boolean>((resolve) => response.write(chunk, (error) => resolve(!error)))
  return await Promise.race([flushed, closed(response)])
}

function writeHead(response: ServerResponse, answer: WireAnswer, length = answer.body.length): void {
  // A 204 must not carry a length.
  const lengthHeader = answer.status === 204 ? {} : { 'content-length': String(length) }
  response.writeHead(answer.status, { ...answer.headers, ...lengthHeader })
}

export const send: Delivery = async (response, answer) => {
  if (response.destroyed) return false
  const finished = new Promise<true>((resolve) => response.once('finish', () => resolve(true)))
  writeHead(response, answer)
  response.end(answer.body)
  return await Promise.race([finished, closed(response)])
}

/** No answer at all; the socket stays open until the client leaves. */
export const hang = (response: ServerResponse): Promise<false> => closed(response)

/** A TCP reset, not an orderly close. */
export function reset(response: ServerResponse): false {
  response.socket?.resetAndDestroy()
  return false
}

export const sendSlowly =
  (delayMs: number): Delivery =>
  async (response, answer) =>
    (await pause(response, delayMs)) && (await send(response, answer))

export const sendInDrips =
  (bytes: number, intervalMs: number): Delivery =>
  async (response, answer) => {
    writeHead(response, answer)
    for (let offset = 0; offset < answer.body.length; offset += bytes) {
      if (!(await write(response, answer.body.subarray(offset, offset + bytes)))) return false
      if (!(await pause(response, intervalMs))) return false
    }
    response.end()
    return true
  }

/** Half of the body under a promise of the whole, then a reset. */
export const resetMidBody: Delivery = async (response, answer) => {
  writeHead(response, answer)
  await write(response, answer.body.subarray(0, Math.ceil(answer.body.length / 2)))
  return reset(response)
}

export const sendCutInTwo: Delivery = (response, answer) =>
  send(response, { ...answer, body: answer.body.subarray(0, Math.ceil(answer.body.length / 2)) })

/**
 * The real answer behind `bytes` of white space: valid JSON, so that only a client which limits what it reads
 * is safe. A padded property would be a field that the vendor does not have.
 */
export const sendHuge =
  (bytes: number): Delivery =>
  async (response, answer) => {
    writeHead(response, answer, bytes + answer.body.length)
    const blank = Buffer.alloc(64 * 1024, ' ')
    for (let left = bytes; left > 0; left -= blank.length) {
      if (!(await write(response, blank.subarray(0, left)))) return false
    }
    response.end(answer.body)
    return true
  }
