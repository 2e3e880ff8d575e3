import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually, startMuster, type Muster, type Program } from './harness.ts'

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

describe('connections', () => {
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

  describe('when a process is asked to stop', () => {
    /** On a connection of its own, as a balancer's probe comes. */
    async function ask(program: Program, path: string): Promise<{ status: number; body: Record<string, unknown> }> {
      const answer = await fetch(`http://127.0.0.1:${String(program.listening.port)}${path}`, {
        headers: { connection: 'close', authorization: `Bearer ${muster.owner.adminKey}` },
      })
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
    }
    const untilDraining = (program: Program) =>
      eventually(
        () => ask(program, '/readyz'),
        ({ status, body }) => status === 503 && body.draining === true,
      )
    const isListening = (program: Program): Promise<boolean> =>
      ask(program, '/healthz').then(
        () => true,
        () => false,
      )

    test('the API says so first, and still serves new requests until MUSTER_DRAIN_SECONDS are over', async () => {
      await muster.restartApi('SIGKILL', { MUSTER_DRAIN_SECONDS: '1' })
      const askedAt = performance.now()
      const stopped = muster.api.kill('SIGTERM')
      await untilDraining(muster.api)
      expect((await ask(muster.api, '/operations')).status).toBe(200)
      expect(await stopped).toBe(0)
      expect(performance.now() - askedAt).toBeGreaterThan(990)
      expect(await isListening(muster.api)).toBe(false)
    })

    test('a worker serves its health for as long', async () => {
      const worker = await muster.startWorker({ MUSTER_DRAIN_SECONDS: '1' })
      const askedAt = performance.now()
      const stopped = worker.kill('SIGTERM')
      await untilDraining(worker)
      expect(await stopped).toBe(0)
      expect(performance.now() - askedAt).toBeGreaterThan(990)
    })

    test('Ctrl-C waits for no balancer', async () => {
      await muster.restartApi('SIGKILL', { MUSTER_DRAIN_SECONDS: '300' })
      expect(await muster.api.kill('SIGINT')).toBe(0)
      const worker = await muster.startWorker({ MUSTER_DRAIN_SECONDS: '300' })
      expect(await worker.kill('SIGINT')).toBe(0)
    })
  })
})
