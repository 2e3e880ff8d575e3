import type { UnifiedUser } from '@muster/contracts/unified-user'
import { z } from 'zod'
import type { CreatedUser, CreateInput, FoundUser, RemoteResponse } from '../provider.ts'
import { toNaturalKey } from './request.ts'

const userSchema = z.looseObject({
  id: z.string(),
  status: z.string().nullish(),
  created: z.string().nullish(),
  activated: z.string().nullish(),
  statusChanged: z.string().nullish(),
  lastLogin: z.string().nullish(),
  lastUpdated: z.string().nullish(),
  profile: z.looseObject({
    login: z.string().nullish(),
    email: z.string().nullish(),
    secondEmail: z.string().nullish(),
    firstName: z.string().nullish(),
    lastName: z.string().nullish(),
    displayName: z.string().nullish(),
    mobilePhone: z.string().nullish(),
    primaryPhone: z.string().nullish(),
    timezone: z.string().nullish(),
    preferredLanguage: z.string().nullish(),
    locale: z.string().nullish(),
  }),
})

/**
 * `UserStatus` of the management API. STAGED is not `invited`, since nothing was sent to anybody yet. LOCKED_OUT fits none, so it stays raw,
 * as does any status that Okta adds later.
 */
const statuses: Record<string, string> = {
  STAGED: 'inactive',
  PROVISIONED: 'invited',
  ACTIVE: 'active',
  RECOVERY: 'active',
  PASSWORD_EXPIRED: 'active',
  SUSPENDED: 'inactive',
  DEPROVISIONED: 'inactive',
}

/** Okta answers 200, not 201. */
export function parseCreated(response: RemoteResponse): CreatedUser | undefined {
  const user = userSchema.safeParse(response.body)
  return user.success ? { remoteId: user.data.id, body: response.body } : undefined
}

export function isAbsent(response: RemoteResponse): boolean {
  return response.status === 404
}

export function parseFound(response: RemoteResponse, input: CreateInput): FoundUser | undefined {
  const user = userSchema.safeParse(response.body)
  if (!user.success) return undefined
  const found = toNaturalKey({ user: { username: user.data.profile.login ?? '' }, remoteQuery: {} })
  // The path also matches an id and the part before the @ of another login.
  if (found.value !== toNaturalKey(input).value) return undefined
  return { remoteId: user.data.id, createdAt: user.data.created ?? null, body: response.body }
}

export function toUser(body: unknown): UnifiedUser {
  const { profile, ...user } = userSchema.parse(body)
  const names = [profile.firstName, profile.lastName].filter(Boolean).join(' ')
  const language = profile.preferredLanguage ?? profile.locale
  return {
    id: user.id,
    first_name: profile.firstName ?? null,
    last_name: profile.lastName ?? null,
    name: profile.displayName ?? (names || null),
    username: profile.login ?? null,
    emails: [
      ...(profile.email ? [{ email: profile.email, type: 'primary', is_primary: true }] : []),
      ...(profile.secondEmail ? [{ email: profile.secondEmail, type: 'secondary', is_primary: false }] : []),
    ],
    phones: [
      ...(profile.mobilePhone ? [{ number: profile.mobilePhone, type: 'mobile' }] : []),
      ...(profile.primaryPhone ? [{ number: profile.primaryPhone, type: 'primary' }] : []),
    ],
    status: user.status ? (statuses[user.status] ?? user.status) : null,
    timezone: profile.timezone ?? null,
    languages: language ? [language] : [],
    created_at: user.created ?? null,
    updated_at: user.lastUpdated ?? null,
    last_login_at: user.lastLogin ?? null,
    status_changed_at: user.statusChanged ?? null,
    activated_at: user.activated ?? null,
  }
}
