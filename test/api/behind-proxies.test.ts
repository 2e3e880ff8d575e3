import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findOrInstallProxy } from '../../scripts/find-proxy.mjs'
import { findFreePort } from '../../scripts/ports.mjs'
import { BULK, itemsOf, toNdjson } from '../support/batch-client.ts'
import { startFaultProxy, type FaultProxy } from '../chaos/fault-proxy.ts'
import { read } from '../support/documents.ts'
import { isLong, tell } from '../support/faults.ts'
import { eventually, newUser, startMuster, type Muster } from '../support/harness.ts'

const ROWS = 200
/** Each client sends three. */
const CLIENTS = 240

interface ProxyKind {
  name: 'nginx' | 'caddy'
  /** The page's own snippet, at another port and with another API, and with idle connections kept for another time. */
  configure(options: { port: number; api: number; idleSeconds: number; directory: string }): string
  arguments(file: string): string[]
  /** Caddy 2.6 ends an answer that was cut off like any other: there only the end mark tells. */
  passesCutsOn: boolean
}

function snippet(language: string): string {
  const [, text] = new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``).exec(read('docs/operating.md')) ?? []
  if (text === undefined) throw new Error(`docs/operating.md shows no ${language}`)
  return text
}

/** Fails where the page no longer has what is to be replaced. */
function replace(text: string, what: string, by: string): string {
  if (!text.includes(what)) throw new Error(`the page's snippet has no ${what}`)
  return text.replace(what, by)
}

const kinds: ProxyKind[] = [
  {
    name: 'nginx',
    configure({ port, api, idleSeconds, directory }) {
      const server = [
        ['127.0.0.1:8080', `127.0.0.1:${api}`],
        ['listen 80;', `listen 127.0.0.1:${port};`],
        ['keepalive 64;', `keepalive ${CLIENTS}; keepalive_timeout ${idleSeconds}s;`],
      ].reduce((text, [what = '', by = '']) => replace(text, what, by), snippet('nginx'))
      const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
        (name) => `${name}_temp_path ${join(directory, name)};`,
      )
      return [
        `daemon off; pid ${join(directory, 'pid')}; error_log stderr warn;`,
        process.getuid?.() === 0 ? 'user root;' : '',
        `events { worker_connections 2048; } http { access_log off; ${folders.join(' ')}`,
        server,
        '}',
      ].join('\n')
    },
    arguments: (file) => ['-c', file],
    passesCutsOn: true,
  },
  {
    name: 'caddy',
    configure({ port, api, idleSeconds }) {
      const site = [
        ['127.0.0.1:8080', `127.0.0.1:${api}`],
        ['muster.example.com', `http://127.0.0.1:${port}`],
        ['keepalive 60s', `keepalive ${idleSeconds}s\nkeepalive_idle_conns_per_host ${CLIENTS}`],
      ].reduce((text, [what = '', by = '']) => replace(text, what, by), snippet('caddyfile'))
      return `{\nadmin off\nauto_https off\n}\n${site}`
    },
    arguments: (file) => ['run', '--adapter', 'caddyfile', '--config', file],
    passesCutsOn: false,
  },
]

const canConnect = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })

for (const kind of kinds) {
  const program = await findOrInstallProxy(kind.name)
  describe.runIf(program)(`behind ${kind.name}, as docs/operating.md sets it up`, () => {
    let muster: Muster
    let directory: string
    let proxy: ChildProcess
    /** Between the proxy and the API, to cut what the API sends. */
    let cutter: FaultProxy
    let url: string
    let okta: string
    const idleSeconds = isLong ? 60 : 1
    const keepAliveSeconds = isLong ? 75 : 2

    beforeAll(async () => {
      muster = await startMuster({
        workers: 0,
        environment: { MUSTER_KEEP_ALIVE_SECONDS: String(keepAliveSeconds) },
      })
      okta = await muster.connect('okta')
      cutter = await startFaultProxy({ host: '127.0.0.1', port: Number(muster.api.listening.port) })
      directory = await mkdtemp(join(tmpdir(), `muster-${kind.name}-`))
      const port = await findFreePort()
      const file = join(directory, 'configuration')
      await writeFile(file, kind.configure({ port, api: cutter.port, idleSeconds, directory }))
      const said: string[] = []
      proxy = spawn(program ?? '', kind.arguments(file), {
        env: { PATH: process.env.PATH ?? '', HOME: directory },
        stdio: ['ignore', 'ignore', 'pipe'],
      })
      proxy.stderr?.on('data', (chunk: Buffer) => said.push(chunk.toString()))
      await eventually(
        () => canConnect(port),
        (is) => is || (proxy.exitCode !== null && expect.fail(said.join(''))),
      )
      url = `http://127.0.0.1:${port}`
    })
    afterAll(async () => {
      proxy.kill('SIGTERM')
      await cutter.close()
      await muster.close()
      await rm(directory, { recursive: true, force: true })
    })

    const authorization = (): string => `Bearer ${muster.owner.adminKey}`
    const query = (): string =>
      `?integrated_account_id=${okta}&not_before=${new Date(Date.now() + 3_600_000).toISOString()}`

    async function upload(): Promise<string> {
      const answer = await fetch(`${url}${BULK}${query()}`, {
        method: 'POST',
        headers: { authorization: authorization(), 'content-type': 'application/x-ndjson' },
        body: toNdjson(itemsOf('okta', ROWS)),
      })
      expect(answer.status).toBe(202)
      return ((await answer.json()) as { id: string }).id
    }

    test('the first rows of an upload are in before the last one is sent', async () => {
      const request = httpRequest(`${url}${BULK}${query()}`, {
        method: 'POST',
        headers: { authorization: authorization(), 'content-type': 'application/x-ndjson' },
      })
      const answered = new Promise<number>((resolve, reject) => {
        request.once('error', reject)
        request.once('response', (response) => resolve(response.resume().statusCode ?? 0))
      })
      request.write(toNdjson(itemsOf('okta', ROWS)))
      await eventually(
        () => muster.request<{ result: { counts: { total: number } }[] }>('GET', '/batches?status=uploading'),
        ({ body }) => (body.result[0]?.counts.total ?? 0) > 0,
        5_000,
      )
      request.end(toNdjson(itemsOf('okta', 1)))
      expect(await answered).toBe(202)
    })

    test('progress arrives while it happens', async () => {
      const id = await upload()
      const stopped = new AbortController()
      const answer = await fetch(`${url}/batches/${id}/events`, {
        headers: { authorization: authorization() },
        signal: AbortSignal.any([stopped.signal, AbortSignal.timeout(5_000)]),
      })
      const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
      let text = ''
      while (!text.includes('event: progress')) text += (await reader?.read())?.value ?? expect.fail('it ended')
      stopped.abort()
    })

    test('a results file that is cut off does not look whole, and one that is whole says so', async () => {
      const id = await upload()
      const results = async (): Promise<string> =>
        (
          await fetch(`${url}/batches/${id}/results?end_mark=true`, { headers: { authorization: authorization() } })
        ).text()
      const head = await fetch(`${url}/batches/${id}/results`, {
        method: 'HEAD',
        headers: { authorization: authorization() },
      })
      expect(head.headers.get('x-total-rows')).toBe(String(ROWS))
      const whole = (await results()).trimEnd().split('\n')
      expect(whole).toHaveLength(ROWS + 1)
      expect(JSON.parse(whole.at(-1) ?? '')).toMatchObject({ row: ROWS, status: 'end' })
      // A connection of its own, since those that are open are not cut.
      cutter.resetAll()
      cutter.cutAfter(20_000, 3)
      const cut = await results().catch((error: unknown) => error)
      cutter.cutAfter(0, 0)
      expect(String(cut)).not.toContain('"status":"end"')
      if (kind.passesCutsOn) expect(cut).toBeInstanceOf(Error)
    })

    test(
      '720 POSTs around the moments at which proxy and API let go of idle connections: no 502',
      async () => {
        const post = async (): Promise<number> => {
          const answer = await fetch(`${url}/unified/user-directory/users?integrated_account_id=${okta}&dry_run=true`, {
            method: 'POST',
            headers: { authorization: authorization(), 'content-type': 'application/json' },
            body: JSON.stringify(newUser('okta')),
          })
          await answer.arrayBuffer()
          return answer.status
        }
        const spreadMs = 400
        const statuses = await Promise.all(
          Array.from({ length: CLIENTS }, async (_, index) => {
            const offset = spreadMs * (index / CLIENTS - 0.5)
            const first = await post()
            await pause(idleSeconds * 1000 + offset)
            const second = await post()
            await pause(keepAliveSeconds * 1000 + offset)
            return [first, second, await post()]
          }),
        )
        const counts: Record<string, number> = {}
        for (const status of statuses.flat()) counts[status] = (counts[status] ?? 0) + 1
        tell(`POSTs behind ${kind.name}, by status`, counts)
        expect(counts).toEqual({ 200: 3 * CLIENTS })
      },
      isLong ? 300_000 : 60_000,
    )
  })
  if (!program)
    test.skip(`${kind.name} is not here and could not be installed: what docs/operating.md says of it was not run`)
}
