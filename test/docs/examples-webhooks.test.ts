import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createSecret, createSigningKey } from '../../packages/webhooks/src/secret.ts'
import { signMessage } from '../../packages/webhooks/src/signature.ts'
import { root } from '../support/documents.ts'

const secret = createSecret()
const body = JSON.stringify({
  type: 'operation.succeeded',
  timestamp: '2026-03-01T10:00:00Z',
  data: { name: 'Zoë 🦊' },
})
let count = 0
const now = (): number => Math.floor(Date.now() / 1000)
/** The headers of a new message. */
const headersOf = (more: Partial<Parameters<typeof signMessage>[0]> = {}): Record<string, string> => ({
  ...signMessage({ id: `msg_${(count += 1)}`, timestamp: now(), body, secrets: [secret], ...more }),
})
const isThere = (command: string): boolean => spawnSync(command, ['version'], { stdio: 'ignore' }).error === undefined
const environment = { PATH: process.env.PATH ?? '', WEBHOOK_SECRET: secret, PYTHONIOENCODING: 'utf-8' }

describe.each([
  ['node', 'receive-webhooks.mjs'],
  ['python3', 'receive_webhooks.py'],
])('%s examples/%s', (interpreter, name) => {
  const path = join(root, 'examples', name)
  let child: ChildProcess
  let lines: AsyncIterator<string>
  let url = ''
  const nextLine = async (): Promise<string> => String((await lines.next()).value)

  /** What it answers, and the line that it prints of it. */
  async function send(headers: Record<string, string>, content: string | Uint8Array = body): Promise<[number, string]> {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: content as string,
    })
    return [response.status, await nextLine()]
  }

  beforeAll(async () => {
    if (!isThere(interpreter)) return
    child = spawn(interpreter, [path], { env: { ...environment, PORT: '0' }, stdio: ['ignore', 'pipe', 'inherit'] })
    if (child.stdout) lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    url = `http://127.0.0.1:${/^listening on port (\d+)$/.exec(await nextLine())?.[1] ?? ''}/`
  })
  afterAll(async () => {
    if (child === undefined) return
    child.kill('SIGKILL')
    await once(child, 'close')
  })

  test.skipIf(!isThere(interpreter))('takes a genuine message', async () => {
    const headers = headersOf()
    expect(await send(headers)).toEqual([204, `verified operation.succeeded ${headers['webhook-id']}`])
  })

  test.skipIf(!isThere(interpreter))(
    'takes one that is signed with another secret too, and with a key pair',
    async () => {
      for (const secrets of [
        [createSecret(), secret],
        [secret, createSecret()],
        [createSigningKey().privateKey, secret],
      ]) {
        const headers = headersOf({ secrets })
        expect(await send(headers)).toEqual([204, `verified operation.succeeded ${headers['webhook-id']}`])
      }
    },
  )

  test.skipIf(!isThere(interpreter))('takes one almost five minutes off', async () => {
    for (const seconds of [-280, 280]) expect((await send(headersOf({ timestamp: now() + seconds })))[0]).toBe(204)
  })

  test.skipIf(!isThere(interpreter))('takes the same message twice, and does its work once', async () => {
    const headers = headersOf()
    expect((await send(headers))[1]).toMatch(/^verified/)
    // At a second attempt time and signature are new; the id is what stays.
    expect(await send(headersOf({ id: headers['webhook-id'] ?? '', timestamp: now() - 10 }))).toEqual([
      204,
      `duplicate ${headers['webhook-id']}`,
    ])
  })

  const refusals: [string, () => [Record<string, string>, (string | Uint8Array)?], string][] = [
    ['another secret', () => [headersOf({ secrets: [createSecret()] })], 'no signature matches'],
    [
      'only the signature of a key pair',
      () => [headersOf({ secrets: [createSigningKey().privateKey] })],
      'no signature matches',
    ],
    ['a changed body', () => [headersOf(), body.replace('succeeded', 'failed')], 'no signature matches'],
    ['another id', () => [{ ...headersOf(), 'webhook-id': 'msg_other' }], 'no signature matches'],
    ['another timestamp', () => [{ ...headersOf(), 'webhook-timestamp': String(now() + 5) }], 'no signature matches'],
    ['an old timestamp', () => [headersOf({ timestamp: now() - 310 })], 'the timestamp is too old or too new'],
    ['a timestamp to come', () => [headersOf({ timestamp: now() + 310 })], 'the timestamp is too old or too new'],
    [
      'a timestamp that is none',
      () => [{ ...headersOf(), 'webhook-timestamp': 'soon' }],
      'the timestamp is too old or too new',
    ],
    ['an empty signature', () => [{ ...headersOf(), 'webhook-signature': 'v1,' }], 'no signature matches'],
    [
      'the right signature under another version',
      () => [
        Object.fromEntries(Object.entries(headersOf()).map(([header, value]) => [header, value.replace('v1,', 'v2,')])),
      ],
      'no signature matches',
    ],
    [
      'no signature',
      () => [{ 'webhook-id': 'msg_x', 'webhook-timestamp': String(now()) }],
      'a webhook- header is missing',
    ],
    ['no JSON', () => [headersOf({ body: '{' }), '{'], 'the body is not JSON'],
  ]

  test.skipIf(!isThere(interpreter)).each(refusals)('refuses %s', async (_, make, why) => {
    const [headers, content] = make()
    expect(await send(headers, content)).toEqual([400, `refused: ${why}`])
  })

  test.skipIf(!isThere(interpreter))('refuses a body that is too large, and keeps serving', async () => {
    const [status, line] = await send(headersOf(), 'x'.repeat(1024 * 1024 + 1))
    expect({ status, line }).toEqual({ status: 400, line: expect.stringContaining('refused: the body is too large') })
    expect((await send(headersOf()))[0]).toBe(204)
  })

  test.skipIf(!isThere(interpreter))('remembers nothing of what it refused', async () => {
    const headers = headersOf()
    expect((await send(headers, `${body} `))[0]).toBe(400)
    expect((await send(headers))[1]).toMatch(/^verified/)
  })

  test.skipIf(!isThere(interpreter)).each(['', 'whsec_', createSecret().slice(6), 'whsec_c2hvcnQ='])(
    'does not start with the secret "%s"',
    (bad) => {
      const { status, stderr } = spawnSync(interpreter, [path], {
        env: { ...environment, WEBHOOK_SECRET: bad, PORT: '0' },
        timeout: 10_000,
      })
      expect(status).toBe(1)
      expect(String(stderr)).toContain('WEBHOOK_SECRET must hold')
    },
  )
})

describe.skipIf(!isThere('openssl'))('sh examples/verify-webhook.sh', () => {
  const folder = mkdtempSync(join(tmpdir(), 'muster-webhook-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  function verify(
    headers: Record<string, string>,
    {
      content = body,
      isPiped = false,
      more = {},
    }: { content?: string; isPiped?: boolean; more?: Record<string, string> } = {},
  ): [number | null, string] {
    const [headersFile, bodyFile] = [join(folder, 'headers'), join(folder, 'body')]
    // As curl and proxies write them down.
    writeFileSync(
      headersFile,
      [
        'POST /hook HTTP/1.1',
        ...Object.entries({ Host: 'example.com', ...headers }).map(
          ([name, value]) => `${name.replace('webhook', 'Webhook')}: ${value}`,
        ),
        '',
      ].join('\r\n'),
    )
    writeFileSync(bodyFile, content)
    const { status, stdout, stderr } = spawnSync(
      'sh',
      [join(root, 'examples/verify-webhook.sh'), headersFile, ...(isPiped ? [] : [bodyFile])],
      { env: { ...environment, ...more }, input: isPiped ? content : '' },
    )
    return [status, `${String(stdout)}${String(stderr)}`.trim()]
  }

  test('takes a genuine message, from files and from standard input', () => {
    const headers = headersOf()
    expect(verify(headers)).toEqual([0, `verified ${headers['webhook-id']}`])
    expect(verify(headers, { isPiped: true })).toEqual([0, `verified ${headers['webhook-id']}`])
  })

  test('takes a body with any ending, and an empty one', () => {
    for (const content of ['', '\n', '{}\n\n', 'a\0b', '%s\\n'])
      expect(verify(headersOf({ body: content }), { content })[0]).toBe(0)
  })

  test('takes one that is signed with another secret too', () => {
    for (const secrets of [
      [createSecret(), secret],
      [secret, createSecret()],
      [createSigningKey().privateKey, secret],
    ])
      expect(verify(headersOf({ secrets }))[0]).toBe(0)
  })

  test('accepts an old message within the given tolerance', () => {
    expect(verify(headersOf({ timestamp: now() - 3_000 }), { more: { WEBHOOK_TOLERANCE_SECONDS: '3600' } })[0]).toBe(0)
  })

  test.each<[string, () => [number | null, string], string]>([
    ['another secret', () => verify(headersOf({ secrets: [createSecret()] })), 'no signature matches'],
    ['a changed body', () => verify(headersOf(), { content: `${body}\n` }), 'no signature matches'],
    ['another id', () => verify({ ...headersOf(), 'webhook-id': 'msg_other' }), 'no signature matches'],
    [
      'a pattern for a signature',
      () => verify({ ...headersOf(), 'webhook-signature': 'v1,*' }),
      'no signature matches',
    ],
    ['an old timestamp', () => verify(headersOf({ timestamp: now() - 310 })), 'too old or too new'],
    ['a timestamp to come', () => verify(headersOf({ timestamp: now() + 310 })), 'too old or too new'],
    [
      'a timestamp that is none',
      () => verify({ ...headersOf(), 'webhook-timestamp': '1+1' }),
      'the timestamp is not a number',
    ],
    [
      'no signature',
      () => verify({ 'webhook-id': 'msg_x', 'webhook-timestamp': String(now()) }),
      'a webhook- header is missing',
    ],
    ['no secret', () => verify(headersOf(), { more: { WEBHOOK_SECRET: '' } }), 'WEBHOOK_SECRET must hold'],
    [
      'half a secret',
      () => verify(headersOf(), { more: { WEBHOOK_SECRET: 'whsec_c2hvcnQ=' } }),
      'WEBHOOK_SECRET is not base64',
    ],
  ])('refuses %s', (_, run, why) => {
    const [status, said] = run()
    expect(status).toBe(1)
    expect(said).toContain(`refused: `)
    expect(said).toContain(why)
  })

  test('refuses files that are not there', () => {
    for (const files of [['nowhere'], [join(root, 'package.json'), 'nowhere'], []])
      expect(
        spawnSync('sh', [join(root, 'examples/verify-webhook.sh'), ...files], { env: environment, cwd: folder }).status,
      ).not.toBe(0)
  })
})
