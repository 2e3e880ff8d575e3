import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as later } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { refuseSilence } from './upload.ts'

const SILENCE_MS = 60

async function serve(handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>) {
  const server = createServer((request, response) => {
    refuseSilence(request, SILENCE_MS)
    handle(request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const client = httpRequest({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', method: 'POST' })
  const answer = once(client, 'response').then(
    ([response]) => (response as IncomingMessage).resume().statusCode,
    (error: { code?: string }) => error.code,
  )
  return { client, answer, close: () => (server.close(), server.closeAllConnections()) }
}

test('an upload that falls silent is broken off', async () => {
  const { client, answer, close } = await serve(async (request, response) => {
    for await (const _ of request);
    response.end()
  })
  client.write('a row')
  expect(await answer).toBe('ECONNRESET')
  close()
})

test('an upload whose last byte has arrived is answered, however long its rows take', async () => {
  const { client, answer, close } = await serve(async (request, response) => {
    for await (const _ of request);
    await later(5 * SILENCE_MS)
    response.end()
  })
  client.end('a row')
  expect(await answer).toBe(200)
  close()
})

test('an upload whose rows wait to be read has not fallen silent', async () => {
  const { client, answer, close } = await serve(async (request, response) => {
    await later(5 * SILENCE_MS)
    for await (const _ of request);
    response.end()
  })
  client.end('x'.repeat(1_000_000))
  expect(await answer).toBe(200)
  close()
})
