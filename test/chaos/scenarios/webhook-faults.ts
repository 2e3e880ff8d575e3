import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer as createHttpsServer } from 'node:https'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { eventually } from '../../support/harness.ts'
import { answer, type Behaviour } from '../../support/receiver.ts'
import { onStage, type Scenario, type ScenarioResult, type Stage, type StageOptions } from '../scenario.ts'
import { deliveriesOf, checkUntrusted, checkWebhooks, startWitnesses, type Witnesses } from '../webhook-invariants.ts'

const failpoints = fileURLToPath(new URL('../failpoints.mjs', import.meta.url))

/** Forty attempts, a second apart: a receiver that recovers has its messages within seconds. */
const impatient = {
  MUSTER_WEBHOOK_SCHEDULE: Array.from({ length: 40 }, () => 1).join(','),
  MUSTER_WEBHOOK_TIMEOUT_MS: '800',
}

async function withWitnesses(
  options: StageOptions,
  play: (stage: Stage, witnesses: Witnesses) => Promise<ScenarioResult>,
): Promise<ScenarioResult> {
  const witnesses = await startWitnesses()
  try {
    return await onStage(
      {
        ...options,
        environment: { ...impatient, ...options.environment },
        allowedHosts: [witnesses.receiver.host, ...(options.allowedHosts ?? [])],
      },
      (stage) => play(stage, witnesses),
    )
  } finally {
    await witnesses.receiver.close()
  }
}

const listen = async (server: Server): Promise<string> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}
const close = (server: Server | undefined): Promise<void> =>
  new Promise((resolve) => (server ? server.close(() => resolve()) : resolve()))

/** A receiver whose certificate no one vouches for; undefined without openssl to make one. */
async function startUntrusted(): Promise<{ host: string; requests(): number; server: Server } | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'muster-tls-'))
  try {
    const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
    const made = spawnSync('openssl', [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '1',
      '-subj',
      '/CN=127.0.0.1',
      '-addext',
      'subjectAltName=IP:127.0.0.1',
      '-keyout',
      key,
      '-out',
      certificate,
    ])
    if (made.status !== 0) return undefined
    let requests = 0
    const server = createHttpsServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (_, response) => {
      requests += 1
      response.end()
    })
    server.on('tlsClientError', () => undefined)
    return { host: await listen(server), requests: () => requests, server }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const silence: Behaviour = () => undefined
const reset: Behaviour = (request) => void request.socket.resetAndDestroy()
const drip: Behaviour = (_, response) => {
  response.writeHead(200)
  response.flushHeaders()
  const timer = setInterval(() => response.write('.'), 100)
  response.once('close', () => clearInterval(timer))
}
const flood: Behaviour = (_, response) => void response.writeHead(200).end(Buffer.alloc(20 * 1024 * 1024, 'x'))

const badReceivers: Scenario = {
  name: 'webhook-bad-receivers',
  promise:
    'every end is reported at least once, under one id; no receiver delays another; nothing is sent to unregistered addresses',
  fault:
    '500s, time-outs, resets, 429 with Retry-After, redirects inside, a 200 that drips, one of 20 MB, a certificate no one vouches for; then they recover',
  async run({ size, random }) {
    let trapped = 0
    const trap = createServer((socket) => {
      trapped += 1
      socket.destroy()
    })
    const inside = await listen(trap)
    const untrusted = await startUntrusted()
    const faults: Record<string, Behaviour> = {
      '/500': answer(500),
      '/silence': silence,
      '/reset': reset,
      '/429': answer(429, { 'retry-after': '2' }),
      '/redirect': (request, response, received) =>
        answer(random.pick([301, 302, 307, 308]), {
          location: random.pick(['http://169.254.169.254/latest/meta-data/', `http://${inside}/`]),
        })(request, response, received),
      '/drip': drip,
      '/flood': flood,
    }
    try {
      return await withWitnesses(
        { workers: 1, providers: ['okta'], rate: 50, allowedHosts: untrusted ? [untrusted.host] : [] },
        async (stage, witnesses) => {
          const { muster } = stage
          const healthy = await witnesses.register(muster, '/healthy')
          const faulty = []
          for (const [path, behave] of Object.entries(faults)) {
            witnesses.behave(path, behave)
            faulty.push(await witnesses.register(muster, path))
          }
          const { body: unheard } = untrusted
            ? await muster.request<{ id: string }>('POST', '/webhook-endpoints', {
                body: { url: `https://${untrusted.host}/hook` },
              })
            : { body: undefined }
          const entries = await stage.submit(size(10, 200))
          for (const { operationId } of entries) if (operationId) await muster.finished(operationId)
          await witnesses.receiver.until(
            ({ path, event }) => path === healthy.path && event.type === 'operation.succeeded',
            entries.length,
          )
          // Every fault has struck before anybody recovers.
          for (const { path } of faulty) await witnesses.receiver.until((received) => received.path === path)
          const broken: string[] = []
          if (untrusted && unheard) {
            const log = await eventually(
              () => deliveriesOf(muster, unheard.id),
              // Until one handshake was finished: on a busy machine the first ones can take longer than they may.
              (all) => all.some(({ attempts }) => attempts.some(({ reason }) => reason === 'tls')),
            ).catch(() => deliveriesOf(muster, unheard.id))
            broken.push(...checkUntrusted(untrusted.requests(), log))
          }
          for (const { path } of faulty) witnesses.behave(path, answer(204))
          const verdict = await checkWebhooks(muster, witnesses, [healthy, ...faulty], entries, false)
          if (trapped > 0) broken.push(`${trapped} connections came to a private address that a receiver named`)
          const delays = witnesses.receiver.at(healthy.path).map(({ at, event }) => at - Date.parse(event.timestamp))
          // The receivers share one process, which 20 MB replies keep busy: Muster's own delay is measured apart.
          const happenedAt = new Map(
            witnesses.receiver.at(healthy.path).map(({ id, event }) => [id, Date.parse(event.timestamp)]),
          )
          const starts = (await deliveriesOf(muster, healthy.id)).map(
            ({ event_id: id, attempts }) => Date.parse(attempts[0]?.started_at ?? '') - (happenedAt.get(id) ?? NaN),
          )
          return stage.conclude(
            entries,
            {
              ...verdict.figures,
              'healthy one begun after at most (ms)': Math.max(...starts),
              receivers: faulty.length + (untrusted ? 2 : 1),
              'healthy one waited at most (ms)': Math.max(...delays),
            },
            [...broken, ...verdict.broken],
          )
        },
      )
    } finally {
      await Promise.all([close(trap), close(untrusted?.server)])
    }
  },
}

const points = {
  after_outcome: {
    promise: 'an end is reported although the worker that wrote it died before it could',
    fault: 'SIGKILL of the worker between the end of an operation and the hand-over of its event',
  },
  after_delivery: {
    promise: 'a message that was taken and not marked is sent again under the same id',
    fault: "SIGKILL of the worker between the receiver's 2xx and the mark",
  },
}

const failpointScenario = (point: keyof typeof points): Scenario => ({
  name: `webhook-failpoint ${point}`,
  ...points[point],
  run: ({ size }) =>
    withWitnesses({ workers: 0, providers: ['okta'] }, async (stage, witnesses) => {
      const { muster } = stage
      const endpoint = await witnesses.register(muster, '/healthy')
      const entries = []
      let struck = 0
      for (let round = 0; round < size(1, 5); round += 1) {
        const file = join(muster.directory, `failpoint-${randomUUID()}`)
        const doomed = await muster.startWorker({ MUSTER_FAILPOINT: point, MUSTER_FAILPOINT_FILE: file }, [
          '--import',
          failpoints,
        ])
        entries.push(...(await stage.submit(size(4, 20))))
        await eventually(
          async () => doomed.child.signalCode,
          (signal) => signal === 'SIGKILL',
          20_000,
        )
        if (existsSync(file)) struck += 1
        const heir = await muster.startWorker()
        for (const { operationId } of entries) if (operationId) await muster.finished(operationId)
        await eventually(
          () => deliveriesOf(muster, endpoint.id),
          (all) => all.length >= entries.length && all.every(({ status }) => status !== 'pending'),
        )
        await heir.kill('SIGTERM')
        muster.workers.push(doomed, heir)
      }
      const verdict = await checkWebhooks(muster, witnesses, [endpoint], entries, true)
      const broken =
        struck === 0
          ? [`the failpoint ${point} never struck`]
          : point === 'after_delivery' && (verdict.figures.repeats ?? 0) < struck
            ? [`of ${struck} messages that were taken and not marked, ${verdict.figures.repeats ?? 0} were sent again`]
            : []
      return stage.conclude(entries, { ...verdict.figures, 'times struck': struck }, [...broken, ...verdict.broken])
    }),
})

/** Slow enough that some are always on their way, and every tenth is refused. */
function busy(): Behaviour {
  let count = 0
  return (_, response) => {
    count += 1
    const status = count % 10 === 0 ? 503 : 204
    setTimeout(() => response.writeHead(status).end(), 100)
  }
}

const killLoop: Scenario = {
  name: 'webhook-worker-kill-loop',
  promise: 'every end is reported at least once, under one id, whatever dies',
  fault: 'kill -9 of a random worker, again and again, while deliveries are under way; every tenth is answered 503',
  run: ({ size, random }) =>
    withWitnesses({ workers: 2, providers: ['okta'], rate: 20 }, async (stage, witnesses) => {
      const { muster } = stage
      witnesses.behave('/busy', busy())
      const endpoint = await witnesses.register(muster, '/busy')
      let isOver = false
      let kills = 0
      const killer = (async () => {
        while (!isOver) {
          const next = Date.now() + size(2_000, 8_000)
          while (!isOver && Date.now() < next) await new Promise((resolve) => setTimeout(resolve, 50))
          if (isOver) return
          await muster.replaceWorker(random.between(0, 1))
          kills += 1
        }
      })()
      const entries = await stage.submit(size(60, 1_200))
      await eventually(
        async () => witnesses.receiver.ledger.length,
        (count) => count >= entries.length * 0.8,
        400_000,
      ).catch(() => undefined)
      isOver = true
      await killer
      const verdict = await checkWebhooks(muster, witnesses, [endpoint], entries, true)
      return stage.conclude(entries, { ...verdict.figures, kills }, verdict.broken, 180_000)
    }),
}

const redisKill: Scenario = {
  name: 'webhook-redis-kill',
  promise: 'an end that was written is reported, even when Redis is killed in between',
  fault: 'kill -9 of Redis (AOF everysec) and a restart while deliveries are under way',
  run: ({ size }) =>
    withWitnesses({ workers: 2, durable: true, providers: ['okta'], rate: 30 }, async (stage, witnesses) => {
      const { muster } = stage
      witnesses.behave('/busy', busy())
      const endpoint = await witnesses.register(muster, '/busy')
      const load = stage.submit(size(60, 900))
      const rounds = size(1, 4)
      for (let round = 0; round < rounds; round += 1) {
        const reached = witnesses.receiver.ledger.length
        await eventually(
          async () => witnesses.receiver.ledger.length,
          (count) => count >= reached + size(10, 150),
          60_000,
        )
        await muster.restartRedis()
      }
      const entries = await load
      // An attempt whose mark Redis did not take is made again: as after a crash.
      const verdict = await checkWebhooks(muster, witnesses, [endpoint], entries, true)
      return stage.conclude(entries, { ...verdict.figures, 'times killed': rounds }, verdict.broken, 180_000)
    }),
}

export const webhookScenarios: Scenario[] = [
  badReceivers,
  failpointScenario('after_outcome'),
  failpointScenario('after_delivery'),
  killLoop,
  redisKill,
]
