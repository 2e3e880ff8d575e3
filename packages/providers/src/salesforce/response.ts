import type { UnifiedUser } from '@muster/contracts/unified-user'
import { z } from 'zod'
import { toEmailList } from '../mapping/emails.ts'
import { looseFlag, looseText } from '../engine/loose-schema.ts'
import type { AccountContext, CreatedUser, CreateInput, FoundUser, RemoteResponse, Unreadable } from '../provider.ts'
import { presentTimeZone } from '@muster/contracts/time-zone-names'
import { toLanguageTag } from './languages.ts'
import { toNaturalKey } from './request.ts'
import { toRecords } from './user-object.ts'

const named = z.looseObject({ Name: looseText }).nullish().catch(null)

/** Which fields come depends on the org's features and on what its integration user may read. */
const userSchema = z.looseObject({
  Id: z.string().min(1),
  Username: looseText,
  FirstName: looseText,
  LastName: looseText,
  Name: looseText,
  Title: looseText,
  Email: looseText,
  Phone: looseText,
  MobilePhone: looseText,
  Fax: looseText,
  Extension: looseText,
  IsActive: looseFlag,
  TimeZoneSidKey: looseText,
  LanguageLocaleKey: looseText,
  AboutMe: looseText,
  FullPhotoUrl: looseText,
  MediumPhotoUrl: looseText,
  SmallPhotoUrl: looseText,
  ProfileId: looseText,
  Profile: named,
  UserRoleId: looseText,
  UserRole: named,
  LastLoginDate: looseText,
  CreatedDate: looseText,
  LastModifiedDate: looseText,
  SystemModstamp: looseText,
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

/** The record alone, in the shape that a look-up gives, too. */
export function parseRead(response: RemoteResponse): unknown {
  return toRecords(response.body)?.find((record) => userSchema.safeParse(record).success)
}

/** A query that finds no user answers 200 without rows. */
export function parseFound(
  response: RemoteResponse,
  input: CreateInput,
  account: AccountContext,
): FoundUser | Unreadable | undefined {
  const rows = toRecords(response.body)?.map((body) => ({ body, user: userSchema.safeParse(body).data }))
  if (!rows) return 'unreadable'
  const wanted = toNaturalKey(input, account).value
  const found = rows.find(({ user }) => user?.Username?.toLowerCase() === wanted)
  if (found?.user) return { remoteId: found.user.Id, createdAt: toTimestamp(found.user.CreatedDate), body: found.body }
  return rows.every(({ user }) => user?.Username) ? undefined : 'unreadable'
}

export function toUser(body: unknown): UnifiedUser {
  const user = userSchema.parse(body)
  const names = [user.FirstName, user.LastName].filter(Boolean).join(' ')
  return {
    id: user.Id,
    first_name: user.FirstName ?? null,
    last_name: user.LastName ?? null,
    name: user.Name ?? (names || null),
    title: user.Title ?? null,
    username: user.Username ?? null,
    emails: toEmailList(user.Email),
    phones: [
      ...(user.Phone
        ? [{ number: user.Phone, ...(user.Extension && { extension: user.Extension }), type: 'work' }]
        : []),
      ...(user.MobilePhone ? [{ number: user.MobilePhone, type: 'mobile' }] : []),
      ...(user.Fax ? [{ number: user.Fax, type: 'fax' }] : []),
    ],
    status: typeof user.IsActive === 'boolean' ? (user.IsActive ? 'active' : 'inactive') : null,
    roles: [
      ...(user.ProfileId ? [{ id: user.ProfileId, name: user.Profile?.Name ?? null }] : []),
      ...(user.UserRoleId ? [{ id: user.UserRoleId, name: user.UserRole?.Name ?? null }] : []),
    ],
    avatar: user.FullPhotoUrl ?? user.MediumPhotoUrl ?? user.SmallPhotoUrl ?? null,
    timezone: user.TimeZoneSidKey ? presentTimeZone(user.TimeZoneSidKey) : null,
    languages: user.LanguageLocaleKey ? [toLanguageTag(user.LanguageLocaleKey)] : [],
    bio: user.AboutMe ?? null,
    created_at: toTimestamp(user.CreatedDate),
    updated_at: toTimestamp(user.LastModifiedDate ?? user.SystemModstamp),
    last_login_at: toTimestamp(user.LastLoginDate),
  }
}
