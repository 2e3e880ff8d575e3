import type { Headers, Json, VendorRequest, VendorResponse } from '../framework/vendor.ts'
import type { Errors } from './answers.ts'
import type { FilesComUser, Users } from './users.ts'

const USER_FILTERS = ['username', 'name', 'email', 'company', 'site_admin', 'disabled']

/** `filter[name]=value` pairs. */
function filtersOf(query: URLSearchParams): [string, string][] {
  return [...query].flatMap(([key, value]): [string, string][] => {
    const name = /^filter\[(\w+)\]$/.exec(key)?.[1]
    return name === undefined ? [] : [[name, value]]
  })
}

const equals = (stored: unknown, wanted: string): boolean => String(stored ?? '').toLowerCase() === wanted.toLowerCase()

/**
 * At most 10,000 a page as documented; how many without per_page is not. The cursor is opaque to clients: the id of the
 * last record.
 */
function paginate<Item extends { readonly id: number }>(
  request: VendorRequest,
  items: readonly Item[],
  render: (item: Item) => Json,
): VendorResponse {
  const { query } = request
  const perPage = Math.min(Math.max(Number(query.get('per_page') ?? 1000) || 1000, 1), 10_000)
  const after = Number(Buffer.from(query.get('cursor') ?? '', 'base64url').toString()) || 0
  const rest = items.filter((item) => item.id > after)
  const page = rest.slice(0, perPage)
  const last = page.at(-1)
  const cursor =
    last !== undefined && rest.length > page.length ? Buffer.from(String(last.id)).toString('base64url') : undefined
  // X-Files-Cursor is what the vendor's SDKs follow; the documentation names X-Files-Cursor-Next.
  const headers: Headers = cursor === undefined ? {} : { 'x-files-cursor': cursor, 'x-files-cursor-next': cursor }
  return { status: 200, headers, body: page.map(render) }
}

type Group = { readonly id: number; readonly name: string }

export function listGroups(
  request: VendorRequest,
  groups: readonly Group[],
  errors: Errors,
  render: (group: Group) => Json,
): VendorResponse {
  let found = [...groups].sort((one, other) => one.id - other.id)
  for (const [name, value] of filtersOf(request.query)) {
    if (name !== 'name') return errors.refuse('bad-request/invalid-filter-field', `Invalid filter field: ${name}`)
    found = found.filter((group) => equals(group.name, value))
  }
  const ids = request.query.get('ids')
  return paginate(
    request,
    ids === null ? found : found.filter((group) => ids.split(',').includes(String(group.id))),
    render,
  )
}

export function listUsers(
  request: VendorRequest,
  users: Users,
  isVisible: (user: FilesComUser) => boolean,
  errors: Errors,
  render: (user: FilesComUser) => Json,
): VendorResponse {
  const filters = filtersOf(request.query)
  const unknown = filters.find(([name]) => !USER_FILTERS.includes(name))
  if (unknown !== undefined)
    return errors.refuse('bad-request/invalid-filter-field', `Invalid filter field: ${unknown[0]}`)

  const username = filters.find(([name]) => name === 'username')?.[1]
  const named = username === undefined ? undefined : users.findByUsername(username)
  // One step for a username, however many users there are.
  let found = (username === undefined ? users.all() : named === undefined ? [] : [named]).filter(isVisible)
  for (const [name, value] of filters) {
    if (name === 'username') continue
    const flag = name === 'site_admin' || name === 'disabled'
    found = found.filter((user) => equals(flag ? (user.sent[name] ?? false) : user.sent[name], value))
  }
  const ids = request.query.get('ids')?.split(',')
  if (ids !== undefined) found = found.filter((user) => ids.includes(String(user.id)))
  // Documented: partial matches of name, username or e-mail.
  const search = request.query.get('search')?.toLowerCase()
  if (search) {
    const contains = (value: unknown) => typeof value === 'string' && value.toLowerCase().includes(search)
    found = found.filter((user) => [user.username, user.sent['name'], user.sent['email']].some(contains))
  }
  return paginate(request, found, render)
}
