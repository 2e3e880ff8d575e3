import type { UnifiedUser } from '@muster/contracts/unified-user'
import { z } from 'zod'
import { toEmailList } from '../mapping/emails.ts'
import { looseText } from '../engine/loose-schema.ts'
import type { CreatedUser, CreateInput, FoundUser, RemoteResponse, Unreadable } from '../provider.ts'
import { emailOf, foldUsername, toNaturalKey } from './request.ts'

/**
 * The answers of create and look-up share the wrapper, not the fields: times, time zone and language come with the
 * first, phone with the second.
 */
const bodySchema = z.looseObject({
  user: z.looseObject({
    // A string in every published answer; taken as a number too, since requests hold numbers.
    id: z.union([z.string().min(1), z.number().int()]).transform(String),
    username: looseText,
    email: looseText,
    firstName: looseText,
    lastName: looseText,
    phone: looseText,
    localZoneid: looseText,
    cdate: looseText,
    udate: looseText,
  }),
})
/** The wrapper without a user. */
const emptyBodySchema = z.looseObject({ user: z.union([z.null(), z.array(z.unknown()).length(0)]) })

export function parseCreated(response: RemoteResponse): CreatedUser | undefined {
  const body = bodySchema.safeParse(response.body)
  return body.success ? { remoteId: body.data.user.id, body: response.body } : undefined
}

/** A time without an offset would be read by this machine's clock, so it counts as none. */
function toInstant(text: string | null | undefined): string | null {
  return text && /(?:Z|[+-]\d\d:?\d\d)$/.test(text) && !Number.isNaN(Date.parse(text)) ? text : null
}

export function parseFound(response: RemoteResponse, input: CreateInput): FoundUser | Unreadable | undefined {
  if (emptyBodySchema.safeParse(response.body).success) return undefined
  const body = bodySchema.safeParse(response.body)
  const username = body.data?.user.username
  if (!body.success || !username) return 'unreadable'
  const { id, cdate } = body.data.user
  return foldUsername(username) === toNaturalKey(input).value
    ? { remoteId: id, createdAt: toInstant(cdate), body: response.body }
    : undefined
}

/** Whether an e-mail address must be unique, too, is not documented: asked only where a create was refused. */
export function parseFoundByEmail(response: RemoteResponse, input: CreateInput): FoundUser | Unreadable | undefined {
  if (emptyBodySchema.safeParse(response.body).success) return undefined
  const body = bodySchema.safeParse(response.body)
  if (!body.success || !body.data.user.email) return 'unreadable'
  const { id, email, cdate } = body.data.user
  return email.toLowerCase() === emailOf(input)?.toLowerCase()
    ? { remoteId: id, createdAt: toInstant(cdate), body: response.body, isOther: true }
    : undefined
}

export function toUser(body: unknown): UnifiedUser {
  const { user } = bodySchema.parse(body)
  const name = [user.firstName, user.lastName].filter(Boolean).join(' ')
  return {
    id: user.id,
    first_name: user.firstName ?? null,
    last_name: user.lastName ?? null,
    name: name || null,
    username: user.username ?? null,
    emails: toEmailList(user.email),
    phones: user.phone ? [{ number: user.phone }] : [],
    timezone: user.localZoneid ?? null,
    created_at: user.cdate ?? null,
    updated_at: user.udate ?? null,
  }
}
