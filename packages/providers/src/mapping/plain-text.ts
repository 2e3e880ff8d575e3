import { CUT } from '@muster/contracts/known-secrets'

/**
 * What is read of a vendor's text. It can be the page of a gateway, a megabyte long, and the expressions below are not
 * linear.
 */
const MAX_READ = 10_000
const MAX_LENGTH = 1_000

/** The mark at the end says to the search for secrets that half of one may precede it. */
const cut = (text: string, length: number): string =>
  text.length > length ? text.slice(0, length - CUT.length) + CUT : text

/** Several messages of a vendor as one. */
export const joinTexts = (texts: readonly string[]): string => cut(texts.filter(Boolean).join(' — '), MAX_LENGTH)

/** A vendor's message, or a page meant for browsers, as one line without markup, cut where it is long. */
export function toPlainText(markup: string): string {
  const plain = cut(markup, MAX_READ)
    .replace(/<(style|script|head)\b[^]*?<\/\1>/gi, ' ')
    .replace(/<[^<>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
  return cut(plain, MAX_LENGTH)
}
