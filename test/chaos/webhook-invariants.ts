import type { DeliveryResource } from '../../packages/contracts/src/webhook-endpoint.ts'
import { eventually, type Muster } from '../support/harness.ts'
import { answer, startReceiver, type Behaviour, type Received } from '../support/receiver.ts'
import type { ClientEntry } from './client-ledger.ts'
import { findSecrets } from './invariants.ts'

export interface Witness {
  id: string
  path: string
  secret: string
}

const ENDS = ['operation.succeeded', 'operation.failed', 'operation.canceled', 'operation.expired']
/** Where the receiver never came to see the message. */
const UNSEEN = new Set(['connection_failed', 'tls', 'address_refused', 'name_not_resolved'])

export type Witnesses = Awaited<ReturnType<typeof startWitnesses>>

/**
 * The third ledger: what receivers got. Each message is checked as it arrives, since libraries refuse what is
 * older than five minutes.
 */
export async function startWitnesses() {
  const receiver = await startReceiver()
  const secrets = new Map<string, string>()
  const forged: Received[] = []
  const witness =
    (behave: Behaviour): Behaviour =>
    (request, response, received) => {
      try {
        receiver.verify(received, secrets.get(received.path) ?? '')
      } catch {
        forged.push(received)
      }
      behave(request, response, received)
    }
  receiver.behave(witness(answer(204)))
  return {
    receiver,
    forged,
    behave: (path: string, behave: Behaviour): void => receiver.behave(witness(behave), path),
    async register(muster: Muster, path: string, more: Record<string, unknown> = {}): Promise<Witness> {
      const { status, body } = await muster.request<{ id: string; secret: string }>('POST', '/webhook-endpoints', {
        body: { url: `http://${receiver.host}${path}`, ...more },
      })
      if (status !== 201) throw new Error(`not registered: ${JSON.stringify(body)}`)
      secrets.set(path, body.secret)
      return { id: body.id, path, secret: body.secret }
    },
  }
}

export async function deliveriesOf(muster: Muster, endpointId: string, key?: string): Promise<DeliveryResource[]> {
  const all: DeliveryResource[] = []
  for (let cursor: string | null = ''; cursor !== null;) {
    const page: { body: { result: DeliveryResource[]; next_cursor: string | null } } = await muster.request(
      'GET',
      `/webhook-endpoints/${endpointId}/deliveries?limit=100${cursor && `&cursor=${cursor}`}`,
      key === undefined ? {} : { key },
    )
    all.push(...page.body.result)
    cursor = page.body.next_cursor
  }
  return all
}

/** The type of event that each acknowledged operation must have ended with. */
async function expectedEnds(muster: Muster, entries: readonly ClientEntry[]): Promise<Map<string, string>> {
  const ends = new Map<string, string>()
  for (const { operationId } of entries) {
    if (operationId !== null)
      ends.set(operationId, `operation.${String((await muster.finished(operationId, 120_000)).status)}`)
  }
  return ends
}

/**
 * Two findings, since one is a breach and the other a log that misleads: what came to a receiver whose certificate no
 * one vouches for, and why its deliveries failed, by their log. On a busy machine a handshake can take longer than an
 * attempt may (`connection_failed`, since nothing was sent), or than the worker keeps the lane (`aborted`): neither
 * says anything of the certificate.
 */
export function checkUntrusted(arrived: number, log: readonly Pick<DeliveryResource, 'attempts'>[]): string[] {
  const counts = new Map<string, number>()
  for (const { reason } of log.flatMap(({ attempts }) => attempts))
    counts.set(reason ?? 'none', (counts.get(reason ?? 'none') ?? 0) + 1)
  const seen = [...counts].map(([reason, count]) => `${count} ${reason}`).join(', ') || 'no attempt'
  const others = [...counts.keys()].filter((reason) => !['tls', 'connection_failed', 'aborted'].includes(reason))
  return [
    ...(arrived > 0 ? [`${arrived} requests came to a receiver whose certificate no one vouches for (${seen})`] : []),
    ...(others.length > 0 || !counts.has('tls')
      ? [`the log of a receiver whose certificate no one vouches for does not say tls, but ${seen}`]
      : []),
  ]
}

/**
 * Compares the receivers' ledger with the promises: each that did not hold, in words.
 * @param isCrashed workers died, so a message may have arrived whose attempt is in no log.
 */
export async function checkWebhooks(
  muster: Muster,
  { receiver, forged }: Witnesses,
  endpoints: readonly Witness[],
  entries: readonly ClientEntry[],
  isCrashed: boolean,
): Promise<{ broken: string[]; figures: Record<string, number> }> {
  const broken: string[] = []
  const ends = await expectedEnds(muster, entries)
  let repeats = 0
  for (const { id, path, secret } of endpoints) {
    const arrived = (): Set<unknown> =>
      new Set(
        receiver
          .at(path)
          .flatMap(({ event }) =>
            ends.get(String(event.data.operation_id)) === event.type ? [event.data.operation_id] : [],
          ),
      )
    const missing = (): number => [...ends.keys()].filter((operationId) => !arrived().has(operationId)).length
    await eventually(
      async () => missing(),
      (count) => count === 0,
      90_000,
    ).catch(() => undefined)
    const log = await eventually(
      () => deliveriesOf(muster, id),
      (all) => all.every(({ status }) => status !== 'pending'),
      90_000,
    ).catch(() => deliveriesOf(muster, id))
    if (missing() > 0) broken.push(`${path}: the ends of ${missing()} operations never arrived`)

    const ids = new Map<string, Set<string>>()
    for (const { id: messageId, event } of receiver.at(path)) {
      if (!ENDS.includes(event.type)) continue
      const operationId = String(event.data.operation_id)
      if (ends.get(operationId) !== event.type) broken.push(`${path}: ${operationId} was reported as ${event.type}`)
      ids.set(operationId, (ids.get(operationId) ?? new Set()).add(messageId))
    }
    const doubled = [...ids.values()].filter((set) => set.size > 1).length
    if (doubled > 0) broken.push(`${path}: ${doubled} events came under two ids`)

    const counts = new Map<string, number>()
    for (const { id: messageId } of receiver.at(path)) counts.set(messageId, (counts.get(messageId) ?? 0) + 1)
    repeats += [...counts.values()].reduce((sum, count) => sum + count - 1, 0)
    for (const { event_id: messageId, status, attempt_count: attempted, attempts } of log) {
      const seen = counts.get(messageId) ?? 0
      const logged = attempted - attempts.filter(({ reason }) => reason !== null && UNSEEN.has(reason)).length
      if (status !== 'delivered') broken.push(`${path}: ${messageId} is ${status}`)
      // A connection that is reset may have been reset before the message was read.
      if (seen > logged && !isCrashed)
        broken.push(`${path}: ${messageId} arrived ${seen} times, and its log knows of ${logged}`)
      if (seen < attempts.filter((attempt) => attempt.status !== null).length)
        broken.push(`${path}: the log of ${messageId} has answers to what never arrived`)
    }
    const known = new Set(log.map(({ event_id: messageId }) => messageId))
    const unknown = [...counts.keys()].filter((messageId) => !known.has(messageId)).length
    if (unknown > 0) broken.push(`${path}: ${unknown} messages are in no log`)
    if ((await findSecrets(muster, [secret])).length > 0) broken.push(`${path}: its secret lies in the clear`)
  }
  if (forged.length > 0) broken.push(`${forged.length} messages do not verify`)
  return { broken: [...new Set(broken)].slice(0, 10), figures: { messages: receiver.ledger.length, repeats } }
}
