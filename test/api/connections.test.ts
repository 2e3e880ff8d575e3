import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually, newUser, startMuster, type Muster, type Program } from '../support/harness.ts'

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

  test('a body that dribbles holds no connection whose request is answered, whatever the answer', async () => {
    const readOnly = await muster.request<{ api_key: string }>('POST', '/api-keys', {
      body: { name: 'reader', scopes: ['read'] },
    })
    const key = `authorization: Bearer ${muster.owner.adminKey}\r\n`
    const json = 'content-type: application/json\r\n'
    const users = '/unified/user-directory/users'
    const requests: [number, string, string][] = [
      [401, 'POST /api-keys', json],
      [403, 'POST /api-keys', `${json}authorization: Bearer ${readOnly.body.api_key}\r\n`],
      [404, 'POST /no/such/path', json],
      [405, 'PUT /healthz', json],
      [413, 'POST /api-keys', json + key],
      [415, 'POST /api-keys', `content-type: text/plain\r\n${key}`],
      [415, `POST ${users}/bulk`, `content-type: text/plain\r\n${key}`],
      [422, `POST ${users}/bulk?dry_run=maybe`, `content-type: text/csv\r\n${key}`],
      [417, 'POST /api-keys', `${json}expect: miracles\r\n`],
      [200, 'GET /healthz', ''],
      [200, 'GET /operations', key],
    ]
    const dribbles = await Promise.all(
      requests.map(async ([status, line, headers]) => {
        const client = dial(muster.url())
        client.send(`${line} HTTP/1.1\r\nhost: muster\r\n${headers}content-length: 2000000\r\n\r\n{`)
        const head = await client.until(/^HTTP\/1.1 (?!100)/m)
        expect(Number(/HTTP\/1.1 (?!100)(\d+)/.exec(head)?.[1]), line).toBe(status)
        let dribbled = 0
        const dribble = setInterval(() => {
          client.send(' ')
          dribbled += 1
        }, 50)
        await client.closed
        clearInterval(dribble)
        return dribbled
      }),
    )
    for (const count of dribbles) expect(count).toBeLessThan(100)
  })

  test('a client that listens only when it has sent everything reads its refusal, and may keep its connection', async () => {
    const client = dial(muster.url())
    client.send('POST /api-keys HTTP/1.1\r\nhost: muster\r\ncontent-length: 10\r\n\r\n{')
    await client.until(/^HTTP\/1.1 401/m)
    client.send('123456789GET /healthz HTTP/1.1\r\nhost: muster\r\n\r\n')
    await client.until(/HTTP\/1.1 200/)
    client.hangUp()
  })

  test('what cannot be read behind a request is not answered in its place', async () => {
    const client = dial(muster.url())
    const account = await muster.connect('okta')
    const body = JSON.stringify(newUser('okta'))
    client.send(
      `POST /unified/user-directory/users?integrated_account_id=${account} HTTP/1.1\r\nhost: muster\r\n` +
        `authorization: Bearer ${muster.owner.adminKey}\r\nprefer: wait=30\r\ncontent-type: application/json\r\n` +
        `content-length: ${body.length}\r\n\r\n${body}this is not HTTP\r\n\r\n`,
    )
    await client.closed
    expect(client.received()).toBe('')
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
