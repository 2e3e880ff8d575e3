import type { VendorRequest } from '../framework/vendor.ts'
import { domainOf } from './check-user.ts'
import type { GoogleUser } from './users.ts'

/**
 * `field=value`, `field:value` (prefix with *), quoted or bare, side by side: the part of Google's search that look-ups
 * use.
 */
const CLAUSE = /(\w+)([=:])(?:'((?:[^'\\]|\\.)*)'|(\S+))\s*/gy

type Predicate = (user: GoogleUser) => boolean

const readers: Readonly<Record<string, (user: GoogleUser) => readonly string[]>> = {
  // The primary address and every alias.
  email: (user) => [user.primaryEmail, ...user.aliases],
  givenName: (user) => [user.name.givenName],
  familyName: (user) => [user.name.familyName],
  name: (user) => [user.name.givenName, user.name.familyName, `${user.name.givenName} ${user.name.familyName}`],
  orgUnitPath: (user) => [user.orgUnitPath],
  isSuspended: (user) => [String(user.given['suspended'] ?? false)],
}

/** Undefined for a query that the simulator does not know. */
function parseQuery(query: string): Predicate | undefined {
  const predicates: Predicate[] = []
  let end = 0
  for (const match of query.trim().matchAll(CLAUSE)) {
    const [text, name = '', operator, quoted, bare = ''] = match
    const read = Object.hasOwn(readers, name) ? readers[name] : undefined
    if (read === undefined) return undefined
    const wanted = (quoted?.replace(/\\(.)/g, '$1') ?? bare).toLowerCase()
    const prefix = operator === ':' && wanted.endsWith('*') ? wanted.slice(0, -1) : undefined
    predicates.push((user) =>
      read(user).some((value) =>
        prefix === undefined ? value.toLowerCase() === wanted : value.toLowerCase().startsWith(prefix),
      ),
    )
    end = match.index + text.length
  }
  return end === query.trim().length ? (user) => predicates.every((predicate) => predicate(user)) : undefined
}

/** What GET /users asks for; undefined for a request that Google refuses. */
export function choosePredicate({ query }: VendorRequest, customerId: string): Predicate | undefined {
  const customer = query.get('customer')
  const domain = query.get('domain')
  if (customer === null && domain === null) return undefined
  if (customer !== null && customer !== 'my_customer' && customer !== customerId) return undefined
  const matches = parseQuery(query.get('query') ?? '')
  const isDeletedWanted = query.get('showDeleted') === 'true'
  return (
    matches &&
    ((user) =>
      (user.deletionTime !== null) === isDeletedWanted &&
      (domain === null || domainOf(user.primaryEmail) === domain.toLowerCase()) &&
      matches(user))
  )
}

/** One page in the order of addresses; the token is where the next begins. */
export function paginate({ query }: VendorRequest, found: readonly GoogleUser[]) {
  // 100 by default, 500 at most (discovery document).
  const size = Math.min(Math.max(Number(query.get('maxResults') ?? 100) || 100, 1), 500)
  const start = Number(Buffer.from(query.get('pageToken') ?? '', 'base64url').toString()) || 0
  const sorted = found.toSorted((left, right) => left.primaryEmail.localeCompare(right.primaryEmail))
  const next = start + size
  return {
    page: sorted.slice(start, next),
    nextPageToken: next < sorted.length ? Buffer.from(String(next)).toString('base64url') : undefined,
  }
}
