import type { UnifiedUser } from '@muster/contracts/unified-user'
import { z } from 'zod'
import { toEmailList } from '../mapping/emails.ts'
import { looseFlag, looseText } from '../engine/loose-schema.ts'
import type { CreatedUser, CreateInput, FoundUser, RemoteResponse, Unreadable } from '../provider.ts'
import { foldUsername, toNaturalKey } from './request.ts'
import { toRoles } from './roles.ts'
import { toIanaTimeZone } from './time-zones.ts'

const id = z.union([z.number(), z.string().min(1)])

/**
 * Comma-separated by the documentation, an array in answers of earlier years. A value that is not a number (the
 * documentation's "example") is not an id.
 */
const ids = z
  .unknown()
  .optional()
  .transform((value): string[] => {
    const parts: unknown[] = typeof value === 'string' ? value.split(',') : Array.isArray(value) ? value : []
    return parts.map((part) => String(part).trim()).filter((part) => /^\d+$/.test(part))
  })

const userSchema = z.looseObject({
  id,
  username: looseText,
  name: looseText,
  email: looseText,
  avatar_url: looseText,
  authentication_method: looseText,
  disabled: looseFlag,
  disabled_expired_or_inactive: looseFlag,
  active_2fa: looseFlag,
  site_admin: looseFlag,
  readonly_site_admin: looseFlag,
  workspace_admin: looseFlag,
  partner_admin: looseFlag,
  billing_permission: looseFlag,
  workspace_id: id.nullish().catch(null),
  admin_group_ids: ids,
  group_ids: ids,
  language: looseText,
  time_zone: looseText,
  created_at: looseText,
  first_login_at: looseText,
  last_login_at: looseText,
  last_active_at: looseText,
})
type FilesComUser = z.infer<typeof userSchema>

export function parseCreated(response: RemoteResponse): CreatedUser | undefined {
  const user = userSchema.safeParse(response.body)
  return user.success ? { remoteId: String(user.data.id), body: response.body } : undefined
}

export function parseFound(response: RemoteResponse, input: CreateInput): FoundUser | Unreadable | undefined {
  if (!Array.isArray(response.body)) return 'unreadable'
  const wanted = toNaturalKey(input).value
  const entries = (response.body as unknown[]).map((body) => ({ body, user: userSchema.safeParse(body).data }))
  const found = entries.find(({ user }) => user?.username && foldUsername(user.username) === wanted)
  if (found?.user)
    return { remoteId: String(found.user.id), createdAt: found.user.created_at ?? null, body: found.body }
  // More pages of answers to one whole username: the filter was not applied, and the rest is unknown.
  const isWhole = !response.headers['x-files-cursor']
  return isWhole && entries.every(({ user }) => user?.username) ? undefined : 'unreadable'
}

/** `email_signup` lasts until the person has chosen a password; then the vendor changes it to `password`. */
function toStatus(user: FilesComUser): string | null {
  if (user.disabled || user.disabled_expired_or_inactive) return 'inactive'
  if (user.authentication_method === 'email_signup') return 'invited'
  return user.disabled === false || user.authentication_method ? 'active' : null
}

export function toUser(body: unknown): UnifiedUser {
  const user = userSchema.parse(body)
  return {
    id: String(user.id),
    name: user.name ?? null,
    username: user.username ?? null,
    emails: toEmailList(user.email),
    status: toStatus(user),
    is_2fa_enabled: user.active_2fa ?? null,
    roles: toRoles(user),
    groups: user.group_ids.map((group) => ({ id: group })),
    avatar: user.avatar_url ?? null,
    timezone: user.time_zone ? toIanaTimeZone(user.time_zone) : null,
    languages: user.language ? [user.language] : [],
    created_at: user.created_at ?? null,
    last_active_at: user.last_active_at ?? null,
    last_login_at: user.last_login_at ?? null,
    // The vendor has no date of activation; the first login is when an invited person has taken the account over.
    activated_at: user.first_login_at ?? null,
  }
}
