import type { Json, VendorRequest } from '../framework/vendor.ts'
import type { OktaUser } from './users.ts'

/** `attribute operator "value"`, joined by `and`: the part of Okta's filter language that look-ups use. */
const CLAUSE = /^\s*([\w.]+)\s+(eq|sw|co)\s+"((?:[^"\\]|\\.)*)"\s*$/

type Predicate = (user: OktaUser) => boolean

function readAttribute(user: OktaUser, name: string): Json | undefined {
  if (name === 'id' || name === 'status' || name === 'created' || name === 'lastUpdated') return user[name]
  return name.startsWith('profile.') ? user.profile[name.slice('profile.'.length)] : undefined
}

/** Undefined for an expression that the simulator does not know. */
function parseExpression(expression: string): Predicate | undefined {
  const predicates: Predicate[] = []
  for (const clause of expression.split(/\s+and\s+(?=[\w.]+\s)/)) {
    const [, name, operator, quoted] = CLAUSE.exec(clause) ?? []
    if (name === undefined || quoted === undefined) return undefined
    const wanted = quoted.replace(/\\(.)/g, '$1').toLowerCase()
    predicates.push((user) => {
      const value = readAttribute(user, name)
      if (typeof value !== 'string') return false
      const given = value.toLowerCase()
      if (operator === 'eq') return given === wanted
      return operator === 'sw' ? given.startsWith(wanted) : given.includes(wanted)
    })
  }
  return (user) => predicates.every((predicate) => predicate(user))
}

/** `q`: the start of the first name, last name or e-mail. */
const startsWith =
  (prefix: string): Predicate =>
  (user) =>
    ['firstName', 'lastName', 'email'].some((name) => {
      const value = user.profile[name]
      return typeof value === 'string' && value.toLowerCase().startsWith(prefix.toLowerCase())
    })

/** The predicate of GET /api/v1/users, or undefined for an unreadable expression. */
export function choosePredicate(query: URLSearchParams, indexedUntil: number): Predicate | undefined {
  const search = query.get('search')
  if (search !== null) {
    const predicate = parseExpression(search)
    // `search` asks a replicated index, which lags; DEPROVISIONED users are in it.
    return predicate && ((user) => user.createdMs <= indexedUntil && predicate(user))
  }
  const filter = query.get('filter')
  if (filter !== null) return parseExpression(filter)
  const q = query.get('q')
  const matches = q === null ? () => true : startsWith(q)
  return (user) => user.status !== 'DEPROVISIONED' && matches(user)
}

/** One page, and the Link header that leads to the next: `after` is the id of the last user seen. */
export function paginate(request: VendorRequest, found: readonly OktaUser[]) {
  const { query, baseUrl, path } = request
  // At most 200 a page, as Okta documents.
  const limit = Math.min(Math.max(Number(query.get('limit') ?? 200) || 200, 1), 200)
  const after = query.get('after')
  const start = after === null ? 0 : found.findIndex((user) => user.id === after) + 1
  const page = found.slice(start, start + limit)

  const link = (rel: string, parameters: URLSearchParams) => {
    const search = parameters.toString()
    return `<${baseUrl}${path}${search === '' ? '' : `?${search}`}>; rel="${rel}"`
  }
  const links = [link('self', query)]
  const last = page.at(-1)
  if (last !== undefined && start + limit < found.length) {
    const next = new URLSearchParams(query)
    next.set('after', last.id)
    next.set('limit', String(limit))
    links.push(link('next', next))
  }
  return { page, link: links.join(', ') }
}
