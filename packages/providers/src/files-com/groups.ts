import { z } from 'zod'
import { unreadableAnswer } from '../engine/classify.ts'
import { UnresolvedInputError, type CreateInput, type LookUp, type RemoteResponse } from '../provider.ts'
import { remoteDataOf } from './identity.ts'

const groupsSchema = z.array(z.looseObject({ id: z.union([z.number(), z.string().min(1)]), name: z.string() }))

const keyOf = (name: string): string => `group:${name}`

/** The groups to send; none where remote_data brings its own list, which would replace them. */
const groupsOf = (input: CreateInput) => (remoteDataOf(input).group_ids === undefined ? (input.user.groups ?? []) : [])

function parseGroups(response: RemoteResponse): { id: string; name: string }[] {
  const groups = groupsSchema.safeParse(response.body)
  if (!groups.success) throw unreadableAnswer(response)
  return groups.data.map(({ id, name }) => ({ id: String(id), name }))
}

/** One look-up for each name without an id. */
export function lookUps(input: CreateInput): LookUp[] {
  const names = new Set(
    groupsOf(input).flatMap(({ id, name }) => (id === undefined && name !== undefined ? [name] : [])),
  )
  return [...names].map((name) => ({
    key: keyOf(name),
    request: { method: 'GET', path: '/api/rest/v1/groups', query: { filter: { name } } },
    placeholder: `<id of group "${name}">`,
    parse: parseGroups,
  }))
}

/**
 * A placeholder stands for itself. Whether the vendor's filter minds the case is not documented, so an exact match goes
 * first.
 */
function toGroupId(name: string, found: unknown, pointer: string): string {
  if (typeof found === 'string') return found
  const candidates = Array.isArray(found) ? (found as ReturnType<typeof parseGroups>) : []
  const exact = candidates.filter((group) => group.name === name)
  const matches =
    exact.length > 0 ? exact : candidates.filter((group) => group.name.toLowerCase() === name.toLowerCase())
  const [only, ...others] = matches
  if (only === undefined)
    throw new UnresolvedInputError(pointer, `Files.com has no group named "${name}" that this API key can see.`)
  if (others.length > 0)
    throw new UnresolvedInputError(
      pointer,
      `Files.com has several groups named "${name}" (${matches.map((group) => group.id).join(', ')}): give the id.`,
    )
  return only.id
}

/** As the vendor wants it: "1,2". Undefined when no group is asked for. */
export function toGroupIds(input: CreateInput, found: Readonly<Record<string, unknown>>): string | undefined {
  const ids = groupsOf(input).map(
    ({ id, name = '' }, index) => id ?? toGroupId(name, found[keyOf(name)], `/groups/${index}/name`),
  )
  return ids.length === 0 ? undefined : [...new Set(ids)].join(',')
}
