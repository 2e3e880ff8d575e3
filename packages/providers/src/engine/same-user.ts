import { compose } from '@muster/contracts/clean-text'
import type { JsonValue } from '@muster/contracts/json'
import type { UnifiedUser } from '@muster/contracts/unified-user'
import { primaryEmail } from '@muster/contracts/unified-user'
import type { CreateInput } from '../provider.ts'

const fold = (text: string): string => compose(text).trim().replace(/\s+/g, ' ').toLowerCase()

/**
 * Whether a user that a look-up found carries the names and the address that were sent. What either side leaves out
 * is not held against it.
 *
 * remote_data wins over mapped fields, under names that only the provider knows. So a stored value counts as sent, too,
 * when it holds a text of remote_data whole. Rejected: not to compare at all where there is remote_data (a Meraki admin
 * with `tags` would adopt any user with the address), and a mapping back in each adapter (a second copy of its request
 * mapping, for one comparison).
 */
export function isSameUser(input: CreateInput, found: UnifiedUser): boolean {
  const overrides = textsOf(input.user.remote_data ?? {})
    .map(fold)
    .filter(Boolean)
  const isOverridden = (stored: string) => overrides.some((text) => ` ${stored} `.includes(` ${text} `))
  const pairs: [string | undefined, string | null | undefined][] = [
    [input.user.first_name, found.first_name],
    [input.user.last_name, found.last_name],
    [primaryEmail(input.user), (found.emails?.find((entry) => entry.is_primary) ?? found.emails?.[0])?.email],
  ]
  if (!input.user.first_name && !input.user.last_name) pairs.push([input.user.name, found.name])
  return pairs.every(([sent, stored]) => !sent || !stored || fold(sent) === fold(stored) || isOverridden(fold(stored)))
}

function textsOf(value: JsonValue): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : []
}

/**
 * How far apart two clocks may be that are compared through a `Date` header of whole seconds and some network between.
 */
const CLOCK_TOLERANCE_MS = 5_000

/**
 * Whose user is it that a look-up found after an unknown outcome?
 * ours: created since the first unknown attempt, with our names. unclear: the provider shows no creation time.
 *   theirs: older, or another person's.
 *
 * @param sentAt Unix milliseconds by our clock, of the first create whose outcome is unknown.
 * @param clockOffsetMs The provider's clock less ours, as its Date header gave it.
 */
export function ownershipOf(
  input: CreateInput,
  found: UnifiedUser,
  createdAt: string | null,
  sentAt: number,
  clockOffsetMs: number,
): 'ours' | 'unclear' | 'theirs' {
  if (!isSameUser(input, found)) return 'theirs'
  const created = createdAt === null ? NaN : Date.parse(createdAt)
  if (Number.isNaN(created)) return 'unclear'
  return created >= sentAt + clockOffsetMs - CLOCK_TOLERANCE_MS ? 'ours' : 'theirs'
}
