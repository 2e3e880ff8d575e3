import { z } from 'zod'
import { describeBadEmail } from './email-address.ts'
import { jsonObjectSchema } from './json.ts'

/** RFC 5321 bounds a path at 254 characters. What mail cannot reach is refused; the provider's own rule comes after. */
const emailAddressSchema = z
  .string()
  .max(254)
  .check(({ value, issues }) => {
    const message = describeBadEmail(value)
    if (message !== undefined) issues.push({ code: 'invalid_format', format: 'email', input: value, message })
  })
  // For clients made of the document: what every address matches, and not all that is checked.
  .meta({ pattern: String.raw`^[^\s@]+@[^\s@]+$` })

const text = (maximum = 255) => z.string().min(1).max(maximum)

const userStatuses = ['active', 'inactive', 'deleted', 'invited'] as const

const unifiedEmailSchema = z
  .strictObject({
    email: emailAddressSchema.meta({ example: 'ada@example.com' }),
    type: text(64).optional().meta({ description: 'Free text, such as work or home.' }),
    is_primary: z
      .boolean()
      .optional()
      .meta({ description: 'At most one address is primary; without one, the first is.' }),
  })
  .meta({ id: 'UnifiedEmail' })

const unifiedPhoneSchema = z
  .strictObject({
    number: text(64),
    extension: text(32).optional(),
    type: text(64).optional().meta({ description: 'Such as mobile, work, home, fax.' }),
  })
  .meta({ id: 'UnifiedPhone' })

const unifiedRoleSchema = z
  .strictObject({
    id: text().optional(),
    name: text().optional(),
    group: text().optional(),
    organization: text().optional(),
    workspace: text().optional(),
  })
  .meta({ id: 'UnifiedRole' })

const unifiedGroupSchema = z
  .strictObject({ id: text().optional(), name: text().optional(), organization: text().optional() })
  .meta({ id: 'UnifiedGroup' })

/** The body of a create. `meta/create` says which fields a provider accepts. */
export const unifiedUserInputSchema = z
  .strictObject({
    name: text().optional().meta({ description: 'Full name.' }),
    emails: z.array(unifiedEmailSchema).max(20).optional(),
    password: z.string().min(1).max(1024).optional().meta({
      description: 'Sealed on arrival, never logged or returned, erased when the operation ends.',
      writeOnly: true,
    }),
    username: text().optional(),
    group: z
      .int()
      .min(0)
      .max(2_147_483_647)
      .optional()
      .meta({ description: 'ActiveCampaign: the number of the permission group. Not the same as `groups`.' }),
    first_name: text().optional(),
    last_name: text().optional(),
    phones: z.array(unifiedPhoneSchema).max(20).optional(),
    roles: z.array(unifiedRoleSchema).max(50).optional(),
    timezone: text(64).optional().meta({
      description: "IANA name, such as Europe/London; a provider's own spelling is passed on.",
      example: 'Europe/London',
    }),
    languages: z
      .array(text(35))
      .max(20)
      .optional()
      .meta({ description: 'BCP 47 tags, most preferred first.', example: ['en-GB'] }),
    description: text(2000).optional(),
    groups: z.array(unifiedGroupSchema).max(100).optional(),
    status: z.enum(userStatuses).optional(),
    remote_data: jsonObjectSchema
      .optional()
      .meta({ description: "Merged into the provider's request as is, after the mapped fields, and wins over them." }),
  })
  .meta({ id: 'UnifiedUserInput' })

export type UnifiedUserInput = z.infer<typeof unifiedUserInputSchema>
export type UnifiedUserInputField = keyof UnifiedUserInput

const named = { id: z.string().nullish(), name: z.string().nullish() }
const dateTime = z.string().nullish().meta({ format: 'date-time' })

/**
 * The user as the provider gave it, in unified words. In `normalized` every field is present, `null` or `[]` where
 * there is nothing.
 */
export const unifiedUserSchema = z
  .looseObject({
    id: z.string().optional(),
    external_id: z.string().nullish(),
    identifiers: jsonObjectSchema.nullish(),
    first_name: z.string().nullish(),
    last_name: z.string().nullish(),
    title: z.string().nullish(),
    name: z.string().nullish(),
    username: z.string().nullish(),
    emails: z
      .array(z.object({ email: z.string(), type: z.string().nullish(), is_primary: z.boolean().nullish() }))
      .nullish(),
    phones: z
      .array(z.object({ number: z.string(), extension: z.string().nullish(), type: z.string().nullish() }))
      .nullish(),
    status: z
      .string()
      .nullish()
      .meta({ description: 'active, inactive, deleted or invited; the raw value where none of them fits.' }),
    is_email_verified: z.boolean().nullish(),
    is_2fa_enabled: z.boolean().nullish(),
    roles: z
      .array(
        z.object({
          ...named,
          group: z.string().nullish(),
          organization: z.string().nullish(),
          workspace: z.string().nullish(),
        }),
      )
      .nullish(),
    organizations: z.array(z.object(named)).nullish(),
    user_type: z.string().nullish(),
    licenses: z.array(z.object({ ...named, organization: z.string().nullish(), last_active_at: dateTime })).nullish(),
    groups: z.array(z.object({ ...named, organization: z.string().nullish() })).nullish(),
    workspaces: z.array(z.object(named)).nullish(),
    avatar: z.string().nullish(),
    timezone: z.string().nullish(),
    languages: z.array(z.string()).nullish(),
    bio: z.string().nullish(),
    created_at: dateTime,
    updated_at: dateTime,
    last_active_at: dateTime,
    last_login_at: dateTime,
    status_changed_at: dateTime,
    activated_at: dateTime,
    urls: z.array(z.object({ url: z.string(), type: z.string().nullish() })).nullish(),
    remote_data: z.unknown().optional().meta({ description: "The provider's body as it came." }),
  })
  .meta({ id: 'UnifiedUser' })

/** What an adapter's response mapping gives: every unified field but `remote_data`, which is the body it read. */
export interface UnifiedUser {
  id: string
  external_id?: string | null
  first_name?: string | null
  last_name?: string | null
  title?: string | null
  name?: string | null
  username?: string | null
  emails?: { email: string; type?: string | null; is_primary?: boolean | null }[]
  phones?: { number: string; extension?: string | null; type?: string | null }[]
  status?: string | null
  is_email_verified?: boolean | null
  is_2fa_enabled?: boolean | null
  roles?: {
    id?: string | null
    name?: string | null
    group?: string | null
    organization?: string | null
    workspace?: string | null
  }[]
  organizations?: { id?: string | null; name?: string | null }[]
  user_type?: string | null
  licenses?: {
    id?: string | null
    name?: string | null
    organization?: string | null
    last_active_at?: string | null
  }[]
  groups?: { id?: string | null; name?: string | null; organization?: string | null }[]
  workspaces?: { id?: string | null; name?: string | null }[]
  avatar?: string | null
  timezone?: string | null
  languages?: string[]
  bio?: string | null
  created_at?: string | null
  updated_at?: string | null
  last_active_at?: string | null
  last_login_at?: string | null
  status_changed_at?: string | null
  activated_at?: string | null
  urls?: { url: string; type?: string | null }[]
}

/** The primary address: the one marked so, else the first. */
export function primaryEmail(input: Pick<UnifiedUserInput, 'emails'>): string | undefined {
  return (input.emails?.find((entry) => entry.is_primary) ?? input.emails?.[0])?.email
}
