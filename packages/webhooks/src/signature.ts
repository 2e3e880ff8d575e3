import { sign } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import { parseSecret } from './secret.ts'

export interface UnsignedMessage {
  /** The same at every attempt: receivers know by it what they have had. */
  id: string
  /** Unix seconds of the attempt, not of the event: receivers refuse what is older than five minutes. */
  timestamp: number
  /** Exactly the text that is sent. */
  body: string
  /** `whsec_…` and `whsk_…`, newest first; each signs. */
  secrets: readonly string[]
}

export interface SignatureHeaders {
  'webhook-id': string
  'webhook-timestamp': string
  'webhook-signature': string
}

/**
 * The headers of Standard Webhooks for one attempt. During a rotation a receiver may hold either secret, so all of them
 * sign.
 */
export function signMessage({ id, timestamp, body, secrets }: UnsignedMessage): SignatureHeaders {
  // What is signed is joined by dots: with a dot in the id, one signature would hold for two messages.
  if (!/^[\w-]{1,256}$/.test(id)) throw new RangeError('the id of a message is made of letters, digits, "_" and "-"')
  if (!Number.isSafeInteger(timestamp) || timestamp < 0)
    throw new RangeError('the timestamp of a message is in whole seconds')
  if (secrets.length === 0) throw new RangeError('a message is signed with at least one secret')
  const signatures = secrets.map((text) => {
    const secret = parseSecret(text)
    if (secret.scheme === 'v1') return new Webhook(secret.text).sign(id, new Date(timestamp * 1000), body)
    // The published library signs with shared secrets only.
    return `v1a,${sign(null, Buffer.from(`${id}.${timestamp}.${body}`), secret.privateKey).toString('base64')}`
  })
  return { 'webhook-id': id, 'webhook-timestamp': String(timestamp), 'webhook-signature': signatures.join(' ') }
}
