import { once } from 'node:events'
import { connect as connectTcp, createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { connectRedis, type Redis } from './connect.ts'

/** What the client wrote, piece by piece, on its way to Redis. */
const pieces: string[] = []
const sockets = new Set<Socket>()
const { hostname, port: redisPort } = new URL(inject('redisUrl'))
const relay = createServer((client) => {
  const redis = connectTcp(Number(redisPort), hostname)
  for (const [from, to] of [
    [client, redis],
    [redis, client],
  ] as const) {
    sockets.add(from)
    from.on('error', () => undefined).on('close', () => to.destroy())
  }
  client.on('data', (data) => pieces.push(data.toString()))
  client.pipe(redis).pipe(client)
})

let client: Redis
beforeAll(async () => {
  relay.listen(0, '127.0.0.1')
  await once(relay, 'listening')
  const url = `redis://127.0.0.1:${(relay.address() as AddressInfo).port}`
  client = connectRedis(url, 'request', () => undefined)
  await once(client, 'ready')
})
afterAll(() => {
  client.disconnect()
  sockets.forEach((socket) => socket.destroy())
  relay.close()
})

async function echoTogether(): Promise<number> {
  const words = Array.from({ length: 20 }, (_, index) => `word ${index}`)
  // One of them as a continuation of an answer's turn.
  await client.ping()
  pieces.length = 0
  expect(await Promise.all(words.map((word) => client.echo(word)))).toEqual(words)
  return pieces.length
}

test('commands of one turn leave in one write, and are answered in their order', async () => {
  expect(await echoTogether()).toBe(1)
})

test('so do pipelines and transactions beside them', async () => {
  pieces.length = 0
  const [before, several, both, after] = await Promise.all([
    client.echo('before'),
    client.pipeline().echo('a').echo('b').exec(),
    client.multi().echo('c').echo('d').exec(),
    client.echo('after'),
  ])
  expect({ before, several, both, after }).toEqual({
    before: 'before',
    several: [
      [null, 'a'],
      [null, 'b'],
    ],
    both: [
      [null, 'c'],
      [null, 'd'],
    ],
    after: 'after',
  })
  expect(pieces).toHaveLength(1)
})

test('a connection that is cut in the middle of a turn takes the next one no commands', async () => {
  const lost = client.echo('lost')
  sockets.forEach((socket) => socket.destroy())
  await expect(lost).rejects.toThrow()
  while (client.status !== 'ready') await pause(10)
  expect(await echoTogether()).toBe(1)
})
