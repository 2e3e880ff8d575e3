import { isJsonObject } from '@muster/contracts/json'
import type { UnifiedUser } from '@muster/contracts/unified-user'
import { z } from 'zod'
import type { AccountContext, CreatedUser, CreateInput, FoundUser, RemoteResponse } from '../provider.ts'
import { toBcp47 } from './languages.ts'
import { toCreateRequest, toNaturalKey } from './request.ts'

const typed = { type: z.string().nullish(), customType: z.string().nullish() }

/**
 * The answer of an insert holds far less than that of a get: no fullName, no emails, no suspended. The discovery document types the lists
 * as `any`, so one that cannot be read counts as absent.
 */
const userSchema = z.looseObject({
  id: z.string().nullish(),
  primaryEmail: z.string().nullish(),
  name: z.looseObject({ givenName: z.string().nullish(), familyName: z.string().nullish(), fullName: z.string().nullish() }).nullish(),
  emails: z.array(z.looseObject({ ...typed, address: z.string().nullish(), primary: z.boolean().nullish() })).nullish().catch(null),
  phones: z.array(z.looseObject({ ...typed, value: z.string().nullish() })).nullish().catch(null),
  languages: z
    .array(z.looseObject({ languageCode: z.string().nullish(), customLanguage: z.string().nullish(), preference: z.string().nullish() }))
    .nullish()
    .catch(null),
  nonEditableAliases: z.array(z.string()).nullish().catch(null),
  suspended: z.boolean().nullish(),
  archived: z.boolean().nullish(),
  deletionTime: z.string().nullish(),
  isEnrolledIn2Sv: z.boolean().nullish(),
  thumbnailPhotoUrl: z.string().nullish(),
  creationTime: z.string().nullish(),
  lastLoginTime: z.string().nullish(),
  /** Not Google's: see parseCreated. */
  muster_http_status: z.number().nullish(),
})
type GoogleUser = z.infer<typeof userSchema>

/** Google writes "never" as the epoch. */
const NEVER = Date.UTC(1970, 0, 1)

export function isConflictResolution({ remoteQuery }: CreateInput): boolean {
  return String(remoteQuery.resolveConflictAccount) === 'true'
}

/**
 * With resolveConflictAccount, 202 says that nobody was created: the owner of an unmanaged account of this address was invited. What its
 * body holds is not published, and `toUser` sees bodies only, so the status is written into it.
 */
export function parseCreated(response: RemoteResponse, input: CreateInput): CreatedUser | undefined {
  const user = userSchema.safeParse(response.body)
  if (!user.success || !isJsonObject(response.body)) return undefined
  const { id, primaryEmail } = user.data
  if (response.status === 202 && isConflictResolution(input)) {
    return { remoteId: id ?? primaryEmail ?? toNaturalKey(input).value, body: { ...response.body, muster_http_status: 202 } }
  }
  return id ? { remoteId: id, body: response.body } : undefined
}

/** A page of HTML with status 404 is not the directory's word, and 403 `forbidden` also comes for users who are seconds old (terraform-provider-googleworkspace#213). */
export function isAbsent(response: RemoteResponse): boolean {
  return response.status === 404 && response.isJson
}

export function parseFound(response: RemoteResponse, input: CreateInput): FoundUser | undefined {
  const user = userSchema.safeParse(response.body)
  if (!user.success || !user.data.id) return undefined
  // Found through an alias: another person's.
  if (user.data.primaryEmail?.toLowerCase() !== toNaturalKey(input).value) return undefined
  return { remoteId: user.data.id, createdAt: user.data.creationTime ?? null, body: response.body }
}

const typeOf = ({ type, customType }: { type?: string | null | undefined; customType?: string | null | undefined }) => (type === 'custom' ? customType : type) ?? null

function toEmails(user: GoogleUser): UnifiedUser['emails'] {
  const isTestAlias = (address: string) => address.endsWith('.test-google-a.com') && user.nonEditableAliases?.includes(address)
  const emails = (user.emails ?? []).flatMap((entry) =>
    entry.address && !isTestAlias(entry.address) ? [{ email: entry.address, type: typeOf(entry) ?? (entry.primary ? 'primary' : null), is_primary: entry.primary === true }] : [],
  )
  const primary = user.primaryEmail
  if (!primary || emails.some((entry) => entry.is_primary || entry.email.toLowerCase() === primary.toLowerCase())) return emails
  return [{ email: primary, type: 'primary', is_primary: true }, ...emails]
}

function toStatus(user: GoogleUser): string {
  if (user.muster_http_status === 202) return 'invited'
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
 * An insert that succeeded stored what was sent, but its answer leaves out most of it: read alone, a suspended user would seem active and
 * without a phone. A get always tells `suspended`, and what it leaves out is not there.
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
    id: user.id ?? user.primaryEmail ?? toNaturalKey(input).value,
    first_name: user.name?.givenName ?? null,
    last_name: user.name?.familyName ?? null,
    name: user.name?.fullName ?? (names || null),
    emails: toEmails(user),
    phones: (user.phones ?? []).flatMap((phone) => (phone.value ? [{ number: phone.value, extension: null, type: typeOf(phone) }] : [])),
    status: toStatus(user),
    is_2fa_enabled: user.isEnrolledIn2Sv ?? null,
    avatar: user.thumbnailPhotoUrl ?? null,
    languages: toLanguages(user),
    created_at: user.creationTime ?? null,
    last_login_at: user.lastLoginTime && Date.parse(user.lastLoginTime) !== NEVER ? user.lastLoginTime : null,
  }
}
