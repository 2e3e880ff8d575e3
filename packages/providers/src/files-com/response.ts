import type { UnifiedUser } from '@muster/contracts/unified-user'
import { z } from 'zod'
import type { CreatedUser, CreateInput, FoundUser, RemoteResponse } from '../provider.ts'
import { toNaturalKey } from './request.ts'
import { toRoles } from './roles.ts'
import { toIanaTimeZone } from './time-zones.ts'

/** One field of an unexpected type must not make a created user look like none, so only the id and the username are insisted on. */
const text = z.string().nullish().catch(null)
const flag = z.boolean().nullish().catch(null)
const id = z.union([z.number(), z.string().min(1)])

/** Comma-separated by the documentation, an array in answers of earlier years. What is no number (the documentation's "example") is no id. */
const ids = z.unknown().optional().transform((value): string[] => {
  const parts: unknown[] = typeof value === 'string' ? value.split(',') : Array.isArray(value) ? value : []
  return parts.map((part) => String(part).trim()).filter((part) => /^\d+$/.test(part))
})

const userSchema = z.looseObject({
  id,
  username: z.string().min(1),
  name: text,
  email: text,
  avatar_url: text,
  authentication_method: text,
  disabled: flag,
  disabled_expired_or_inactive: flag,
  active_2fa: flag,
  site_admin: flag,
  readonly_site_admin: flag,
  workspace_admin: flag,
  partner_admin: flag,
  billing_permission: flag,
  workspace_id: id.nullish().catch(null),
  admin_group_ids: ids,
  group_ids: ids,
  language: text,
  time_zone: text,
  created_at: text,
  first_login_at: text,
  last_login_at: text,
  last_active_at: text,
})
type FilesComUser = z.infer<typeof userSchema>

export function parseCreated(response: RemoteResponse): CreatedUser | undefined {
  const user = userSchema.safeParse(response.body)
  return user.success ? { remoteId: String(user.data.id), body: response.body } : undefined
}

/** The look-up is a list. Its 404 means missing rights, by the vendor's own words, and never that there is no such user. */
export function isAbsent(): boolean {
  return false
}

export function parseFound(response: RemoteResponse, input: CreateInput): FoundUser | undefined {
  const entries: unknown[] = Array.isArray(response.body) ? response.body : []
  const wanted = toNaturalKey(input).value
  for (const body of entries) {
    const user = userSchema.safeParse(body)
    if (!user.success) continue
    const found = toNaturalKey({ user: { username: user.data.username }, remoteQuery: {} })
    if (found.value === wanted) return { remoteId: String(user.data.id), createdAt: user.data.created_at ?? null, body }
  }
  return undefined
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
    username: user.username,
    emails: user.email ? [{ email: user.email, is_primary: true }] : [],
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
