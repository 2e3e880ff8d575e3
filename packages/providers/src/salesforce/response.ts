import type { UnifiedUser } from '@muster/contracts/unified-user'
import { z } from 'zod'
import type { AccountContext, CreatedUser, CreateInput, FoundUser, RemoteResponse } from '../provider.ts'
import { toLanguageTag } from './languages.ts'
import { toNaturalKey } from './request.ts'
import { toRecords } from './soql.ts'
import { toIanaTimeZone } from './time-zones.ts'

const text = z.string().nullish()
const named = z.looseObject({ Name: text }).nullish()

/** Which fields come depends on the org's features and on what its integration user may read. */
const userSchema = z.looseObject({
  Id: z.string().min(1),
  Username: text,
  FirstName: text,
  LastName: text,
  Name: text,
  Title: text,
  Email: text,
  Phone: text,
  MobilePhone: text,
  Fax: text,
  Extension: text,
  IsActive: z.boolean().nullish(),
  TimeZoneSidKey: text,
  LanguageLocaleKey: text,
  AboutMe: text,
  FullPhotoUrl: text,
  MediumPhotoUrl: text,
  SmallPhotoUrl: text,
  ProfileId: text,
  Profile: named,
  UserRoleId: text,
  UserRole: named,
  LastLoginDate: text,
  CreatedDate: text,
  LastModifiedDate: text,
  SystemModstamp: text,
})

const createdSchema = z.looseObject({ id: z.string().min(1), success: z.literal(true) })

/** The answer holds nothing but the id. */
export function parseCreated(response: RemoteResponse): CreatedUser | undefined {
  const { data } = createdSchema.safeParse(response.body)
  return data && { remoteId: data.id }
}

/** `2026-05-01T07:25:37.000+0000`: the offset has no colon, which strict readers refuse. */
function toTimestamp(value: string | null | undefined): string | null {
  const at = Date.parse((value ?? '').replace(/([+-]\d{2})(\d{2})$/, '$1:$2'))
  return Number.isNaN(at) ? null : new Date(at).toISOString()
}

export function parseFound(response: RemoteResponse, input: CreateInput, account: AccountContext): FoundUser | undefined {
  const wanted = toNaturalKey(input, account).value
  for (const record of toRecords(response.body)) {
    const { data } = userSchema.safeParse(record)
    if (data?.Username?.toLowerCase() === wanted) return { remoteId: data.Id, createdAt: toTimestamp(data.CreatedDate), body: record }
  }
  return undefined
}

/** A query that finds nobody answers 200 without rows. */
export const isAbsent = (): boolean => false

/** Reads the record, alone or in the query answer that it came in. Of a body without one, nothing is known. */
export function toUser(body: unknown): UnifiedUser {
  const { data: user } = userSchema.safeParse(toRecords(body)[0] ?? body)
  if (!user) return { id: '' }
  const names = [user.FirstName, user.LastName].filter(Boolean).join(' ')
  return {
    id: user.Id,
    first_name: user.FirstName ?? null,
    last_name: user.LastName ?? null,
    name: user.Name ?? (names || null),
    title: user.Title ?? null,
    username: user.Username ?? null,
    emails: user.Email ? [{ email: user.Email, is_primary: true }] : [],
    phones: [
      ...(user.Phone ? [{ number: user.Phone, ...(user.Extension && { extension: user.Extension }), type: 'work' }] : []),
      ...(user.MobilePhone ? [{ number: user.MobilePhone, type: 'mobile' }] : []),
      ...(user.Fax ? [{ number: user.Fax, type: 'fax' }] : []),
    ],
    status: typeof user.IsActive === 'boolean' ? (user.IsActive ? 'active' : 'inactive') : null,
    roles: [
      ...(user.ProfileId ? [{ id: user.ProfileId, name: user.Profile?.Name ?? null }] : []),
      ...(user.UserRoleId ? [{ id: user.UserRoleId, name: user.UserRole?.Name ?? null }] : []),
    ],
    avatar: user.FullPhotoUrl ?? user.MediumPhotoUrl ?? user.SmallPhotoUrl ?? null,
    timezone: user.TimeZoneSidKey ? toIanaTimeZone(user.TimeZoneSidKey) : null,
    languages: user.LanguageLocaleKey ? [toLanguageTag(user.LanguageLocaleKey)] : [],
    bio: user.AboutMe ?? null,
    created_at: toTimestamp(user.CreatedDate),
    updated_at: toTimestamp(user.LastModifiedDate ?? user.SystemModstamp),
    last_login_at: toTimestamp(user.LastLoginDate),
  }
}
