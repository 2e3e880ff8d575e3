/**
 * What is read of a vendor's text. It can be the page of a gateway, a megabyte long, and the expressions below are not
 * linear.
 */
const MAX_READ = 10_000
const MAX_LENGTH = 1_000

/** A vendor's message, or a page meant for browsers, as one line without markup, cut where it is long. */
export function toPlainText(markup: string): string {
  const plain = markup
    .slice(0, MAX_READ)
    .replace(/<(style|script|head)\b[^]*?<\/\1>/gi, ' ')
    .replace(/<[^<>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
  return plain.length > MAX_LENGTH ? `${plain.slice(0, MAX_LENGTH - 1)}…` : plain
}
