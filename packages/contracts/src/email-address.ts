import { findForbidden, nameCharacter } from './clean-text.ts'

/** RFC 5321 section 4.5.3.1, in bytes. */
const MOST_LOCAL_BYTES = 64
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
/** RFC 5322 atext, and the letters of RFC 6531. */
const LOCAL = /^[\w!#$%&'*+\-/=?^`{|}~.\p{L}\p{M}\p{N}]+$/u
const SIGNS_OF_MORE = /[<>()[\],;:"\\]/

/** What is wrong with an e-mail address, to follow the name of the field; undefined for one that mail can reach. */
export function describeBadEmail(address: string): string | undefined {
  const forbidden = findInvisible(address)
  if (forbidden !== undefined)
    return `must be an e-mail address; character ${forbidden.position} is ${nameCharacter(forbidden.character)}`
  if (/^mailto:/i.test(address)) return 'must be an e-mail address alone, without mailto:'
  if (/^<.*>$/.test(address)) return 'must be an e-mail address alone, without < and >'
  if (SIGNS_OF_MORE.test(address)) return 'must be one e-mail address alone, without a name, a comment or quotes'
  const at = address.lastIndexOf('@')
  if (at < 1 || at === address.length - 1 || /\s/.test(address)) return 'must be an e-mail address'
  return describeBadLocal(address.slice(0, at)) ?? describeBadDomain(address.slice(at + 1))
}

/** Joiners too: no mail system makes a difference of them that anybody could see. */
function findInvisible(address: string): { character: string; position: number } | undefined {
  const character = /[\p{Default_Ignorable_Code_Point}]/u.exec(address)?.[0] ?? findForbidden(address)?.character
  if (character === undefined) return undefined
  return { character, position: Array.from(address.slice(0, address.indexOf(character))).length + 1 }
}

function describeBadLocal(local: string): string | undefined {
  if (local.includes('@')) return 'must be an e-mail address; it has more than one @'
  if (local.startsWith('.')) return 'must be an e-mail address; it begins with a dot'
  if (local.endsWith('.')) return 'must be an e-mail address; a dot stands before its @'
  if (local.includes('..')) return 'must be an e-mail address; two dots follow each other'
  if (!LOCAL.test(local)) return 'must be an e-mail address; a sign before its @ is not allowed'
  if (new TextEncoder().encode(local).length > MOST_LOCAL_BYTES)
    return `must be an e-mail address; more than ${MOST_LOCAL_BYTES} bytes stand before its @`
  return undefined
}

function describeBadDomain(domain: string): string | undefined {
  if (domain.endsWith('.')) return 'must be an e-mail address; it ends with a dot'
  if (domain.startsWith('.')) return 'must be an e-mail address; a dot follows its @'
  const ascii = toAsciiDomain(domain)
  if (ascii === undefined || !ascii.split('.').every((label) => LABEL.test(label)))
    return 'must be an e-mail address; what follows its @ is not a domain'
  if (!ascii.includes('.')) return 'must be an e-mail address; its domain has no dot'
  if (/^[\d.]+$/.test(ascii)) return 'must be an e-mail address; an IP address follows its @'
  return undefined
}

/** As a browser reads it (UTS 46), without what an address of a page has besides a host. */
function toAsciiDomain(domain: string): string | undefined {
  if (/[/?#\\%:@\s_]/.test(domain)) return undefined
  try {
    return new URL(`http://${domain}`).hostname
  } catch {
    return undefined
  }
}
