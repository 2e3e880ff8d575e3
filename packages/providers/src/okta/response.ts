import type { UnifiedUser } from '@muster/contracts/unified-user'
import { z } from 'zod'
import { looseText } from '../engine/loose-schema.ts'
import type { CreatedUser, CreateInput, FoundUser, RemoteResponse, Unreadable } from '../provider.ts'
import { foldLogin, toNaturalKey } from './request.ts'

const userSchema = z.looseObject({
  id: z.string().min(1),
  status: looseText,
  created: looseText,
  activated: looseText,
  statusChanged: looseText,
  lastLogin: looseText,
  lastUpdated: looseText,
  profile: z.looseObject({
    login: looseText,
    email: looseText,
    secondEmail: looseText,
    firstName: looseText,
    lastName: looseText,
    displayName: looseText,
    mobilePhone: looseText,
    primaryPhone: looseText,
    timezone: looseText,
    preferredLanguage: looseText,
    locale: looseText,
  }),
})

/**
 * `UserStatus` of the management API. STAGED is not `invited`, since nothing was sent to anybody yet. LOCKED_OUT fits
 * none, so it stays raw, as does any status that Okta adds later.
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

export function parseFound(response: RemoteResponse, input: CreateInput): FoundUser | Unreadable | undefined {
  const user = userSchema.safeParse(response.body)
  const login = user.data?.profile.login
  if (!user.success || !login) return 'unreadable'
  // The path also matches an id and the part before the @ of another login.
  if (foldLogin(login) !== toNaturalKey(input).value) return undefined
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
