/** What windows-1252 has at 0x80 to 0x9F; five places are empty, and stay the control characters they are. */
const WINDOWS_1252 = '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008DŽ\u008F\u0090‘’“”•–—˜™š›œ\u009DžŸ'
/** Of e-mail: what a byte means depends on all before it, so that no piece can be read alone. */
const STATEFUL = 'iso-2022-jp'

/** The WHATWG name of an encoding by any of its labels; undefined for what is none that can be read. */
export function toCharset(label: string): string | undefined {
  try {
    const { encoding } = new TextDecoder(label)
    return encoding === STATEFUL ? undefined : encoding
  } catch {
    return undefined
  }
}

/** The text of bytes that end with a whole character; undefined where they are not of this charset. */
export function decode(charset: string, bytes: Buffer): string | undefined {
  if (charset === 'windows-1252') return decodeWindows1252(bytes)
  try {
    return new TextDecoder(charset, { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/** Not TextDecoder: Node 20 takes windows-1252 for ISO 8859-1, where 0x92 is not an apostrophe (nodejs/node#56542). */
const decodeWindows1252 = (bytes: Buffer): string =>
  bytes.toString('latin1').replaceAll(/[\u0080-\u009F]/g, (sign) => WINDOWS_1252[sign.charCodeAt(0) - 0x80] ?? sign)

/** Which byte it is that cannot be read, of bytes that `decode` refuses. */
export function findUndecodable(charset: string, bytes: Buffer): number {
  const decoder = new TextDecoder(charset, { fatal: true, ignoreBOM: true })
  for (let index = 0; index < bytes.length; index++) {
    try {
      decoder.decode(bytes.subarray(index, index + 1), { stream: true })
    } catch {
      return index
    }
  }
  return bytes.length - 1
}
