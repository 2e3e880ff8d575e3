import { KnownSecrets } from '@muster/contracts/known-secrets'
import { blotOut } from '@muster/contracts/secrets'
import type { Exchange } from '@muster/webhooks/reply'

/** Kept of a receiver's reply, for the owner of the endpoint to read. */
const KEPT_CHARACTERS = 1_024
/** A shorter segment of an address is a word, such as `webhooks`, and not a secret. */
const MIN_TOKEN_CHARACTERS = 12

/** The receiver's reply without our secrets, since it may echo its address or our signature's keys. */
export function redactReply(exchange: Exchange, url: string, signing: readonly string[]): string | null {
  if (!('response' in exchange)) return null
  const secrets = new KnownSecrets([...signing, ...signing.map(withoutPrefix), ...secretsOfUrl(url)])
  return blotOut(exchange.response.body, secrets).slice(0, KEPT_CHARACTERS) || null
}

/** What follows `whsec_` or `whsk_` is the key itself. */
const withoutPrefix = (secret: string): string => secret.replace(/^wh[a-z]+_/, '')

/** Anyone who knows the address can send to it: many hold a token in their path or query. */
function secretsOfUrl(text: string): string[] {
  const { href, pathname, search, searchParams } = new URL(text)
  const segments = [...pathname.split('/'), ...searchParams.values()]
  return [href, ...[pathname + search, ...segments].filter((segment) => segment.length >= MIN_TOKEN_CHARACTERS)]
}
