import { isJsonObject } from '@muster/contracts/json'
import type { UnifiedUser } from '@muster/contracts/unified-user'
import { z } from 'zod'
import { looseFlag, looseList, looseText } from '../engine/loose-schema.ts'
import type { AccountContext, CreatedUser, CreateInput, FoundUser, RemoteResponse, Unreadable } from '../provider.ts'
import { toBcp47 } from './languages.ts'
import { foldAddress, isConflictResolution, toCreateRequest, toNaturalKey } from './request.ts'

const typed = { type: looseText, customType: looseText }

/**
 * The answer of an insert holds far less than that of a get: no fullName, no emails, no suspended. The discovery
 *   document types the lists
 * as `any`.
 */
const userSchema = z.looseObject({
  id: looseText,
  primaryEmail: looseText,
  name: z.looseObject({ givenName: looseText, familyName: looseText, fullName: looseText }).nullish().catch(null),
  emails: looseList(z.looseObject({ ...typed, address: looseText, primary: looseFlag })),
  phones: looseList(z.looseObject({ ...typed, value: looseText })),
  languages: looseList(z.looseObject({ languageCode: looseText, customLanguage: looseText, preference: looseText })),
  aliases: looseList(z.string()),
  nonEditableAliases: looseList(z.string()),
  suspended: looseFlag,
  archived: looseFlag,
  deletionTime: looseText,
  isEnrolledIn2Sv: looseFlag,
  thumbnailPhotoUrl: looseText,
  creationTime: looseText,
  lastLoginTime: looseText,
})
type GoogleUser = z.infer<typeof userSchema>

/** Google writes "never" as the epoch. */
const NEVER = Date.UTC(1970, 0, 1)

/**
 * With resolveConflictAccount, 202 says that no user was created: the owner of an unmanaged account of this address
 *   was invited. What its
 * body holds is not published.
 */
export function parseCreated(response: RemoteResponse, input: CreateInput): CreatedUser | undefined {
  const user = userSchema.safeParse(response.body)
  if (!user.success) return undefined
  const { id, primaryEmail } = user.data
  if (response.status === 202 && isConflictResolution(input)) {
    return { remoteId: id || primaryEmail || toNaturalKey(input).value, body: response.body, status: 'invited' }
  }
  return id ? { remoteId: id, body: response.body } : undefined
}

export function parseFound(response: RemoteResponse, input: CreateInput): FoundUser | Unreadable | undefined {
  const user = userSchema.safeParse(response.body)
  if (!user.success || !user.data.id || !user.data.primaryEmail) return 'unreadable'
  return toFound(user.data, response.body, input)
}

/** Aliases and primary addresses are unique together: a user with this alias blocks the create. */
function toFound(user: GoogleUser, body: unknown, input: CreateInput): FoundUser | undefined {
  const wanted = toNaturalKey(input).value
  const found = { remoteId: user.id ?? '', createdAt: user.creationTime ?? null, body }
  if (foldAddress(user.primaryEmail ?? '') === wanted) return found
  const aliases = [...(user.aliases ?? []), ...(user.nonEditableAliases ?? [])]
  return aliases.some((alias) => foldAddress(alias) === wanted) ? { ...found, isOther: true } : undefined
}

const listSchema = z.looseObject({ kind: z.literal('admin#directory#users'), users: z.array(userSchema).nullish() })

/** Users who were deleted in the last 20 days keep their addresses. */
export function parseDeleted(response: RemoteResponse, input: CreateInput): FoundUser | Unreadable | undefined {
  const list = listSchema.safeParse(response.body).data
  if (!list) return 'unreadable'
  const [found] = (list.users ?? []).flatMap((user) => toFound(user, user, input) ?? [])
  return found && { ...found, isOther: true }
}

const typeOf = ({ type, customType }: { type?: string | null | undefined; customType?: string | null | undefined }) =>
  (type === 'custom' ? customType : type) ?? null

function toEmails(user: GoogleUser): UnifiedUser['emails'] {
  const isTestAlias = (address: string) =>
    address.endsWith('.test-google-a.com') && user.nonEditableAliases?.includes(address)
  const emails = (user.emails ?? []).flatMap((entry) =>
    entry.address && !isTestAlias(entry.address)
      ? [
          {
            email: entry.address,
            type: typeOf(entry) ?? (entry.primary ? 'primary' : null),
            is_primary: entry.primary === true,
          },
        ]
      : [],
  )
  const primary = user.primaryEmail
  if (!primary || emails.some((entry) => entry.is_primary || entry.email.toLowerCase() === primary.toLowerCase()))
    return emails
  return [{ email: primary, type: 'primary', is_primary: true }, ...emails]
}

function toStatus(user: GoogleUser): string {
  if (user.deletionTime) return 'deleted'
  return user.suspended || user.archived ? 'inactive' : 'active'
}

function toLanguages(user: GoogleUser): string[] {
  const isPreferred = (entry: { preference?: string | null | undefined }) => entry.preference === 'preferred'
  const entries = user.languages ?? []
  return [...entries.filter(isPreferred), ...entries.filter((entry) => !isPreferred(entry))].flatMap((entry) => {
    if (entry.languageCode) return [toBcp47(entry.languageCode)]
    return entry.customLanguage ? [entry.customLanguage] : []
  })
}

/**
 * An insert that succeeded stored what was sent, but its answer leaves out most of it: read alone, a suspended user
 *   would seem active and
 * without a phone. A get always shows `suspended`, and what it leaves out does not exist.
 */
function withSent(body: unknown, input: CreateInput, account: AccountContext): unknown {
  if (!isJsonObject(body) || body.suspended !== undefined) return body
  const { suspended, archived, emails, phones, languages } = toCreateRequest(input, account).request.body ?? {}
  return { suspended, archived, emails, phones, languages, ...body }
}

export function toUser(body: unknown, input: CreateInput, account: AccountContext): UnifiedUser {
  const user = userSchema.parse(withSent(body, input, account))
  const names = [user.name?.givenName, user.name?.familyName].filter(Boolean).join(' ')
  return {
    id: user.id || user.primaryEmail || toNaturalKey(input).value,
    first_name: user.name?.givenName ?? null,
    last_name: user.name?.familyName ?? null,
    name: user.name?.fullName ?? (names || null),
    emails: toEmails(user),
    phones: (user.phones ?? []).flatMap((phone) =>
      phone.value ? [{ number: phone.value, extension: null, type: typeOf(phone) }] : [],
    ),
    status: toStatus(user),
    is_2fa_enabled: user.isEnrolledIn2Sv ?? null,
    avatar: user.thumbnailPhotoUrl ?? null,
    languages: toLanguages(user),
    created_at: user.creationTime ?? null,
    last_login_at: user.lastLoginTime && Date.parse(user.lastLoginTime) !== NEVER ? user.lastLoginTime : null,
  }
}
