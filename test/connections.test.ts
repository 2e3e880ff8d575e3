import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startMuster, type Muster } from './harness.ts'

/** A client that speaks bytes: what it got so far, and when the other side closed. */
function dial(url: string) {
  const { hostname, port } = new URL(url)
  const socket: Socket = connect(Number(port), hostname)
  let received = ''
  const watchers = new Set<() => void>()
  socket.on('data', (bytes) => {
    received += bytes.toString()
    watchers.forEach((look) => look())
  })
  socket.on('error', () => undefined)
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  return {
    send: (text: string) => socket.write(text),
    received: () => received,
    /** Resolves when what came fits. */
    until: (pattern: RegExp): Promise<string> =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!pattern.test(received)) return
          watchers.delete(look)
          resolve(received)
        }
        watchers.add(look)
        look()
      }),
    closed,
    hangUp: () => socket.destroy(),
  }
}

describe('connections to the API', () => {
  let muster: Muster
  beforeAll(async () => {
    muster = await startMuster({ workers: 0 })
  })
  afterAll(() => muster.close())

  test('an idle one is kept for longer than the 60 seconds of the common balancers', async () => {
    const client = dial(muster.url())
    client.send('GET /healthz HTTP/1.1\r\nhost: muster\r\n\r\n')
    expect((await client.until(/\r\n\r\n\{/)).toLowerCase()).toContain('keep-alive: timeout=75')
    client.hangUp()
  })

  test('an idle one is kept for as long as MUSTER_KEEP_ALIVE_SECONDS says', async () => {
    await muster.restartApi('SIGKILL', { MUSTER_KEEP_ALIVE_SECONDS: '1' })
    const client = dial(muster.url())
    const openedAt = performance.now()
    client.send('GET /healthz HTTP/1.1\r\nhost: muster\r\n\r\n')
    await client.closed
    expect(performance.now() - openedAt).toBeGreaterThan(900)
    expect(client.received().toLowerCase()).toContain('keep-alive: timeout=1')
    await muster.restartApi()
  })
})
