import type { UnifiedUser } from '@muster/contracts/unified-user'
import { z } from 'zod'
import type { CreatedUser, CreateInput, FoundUser, RemoteResponse } from '../provider.ts'
import { readErrors, saysNotFound } from './errors.ts'
import { toNaturalKey } from './request.ts'

/** The answers of create and look-up share the wrapper, not the fields: times, time zone and language come with the first, phone with the second. */
const bodySchema = z.looseObject({
  user: z.looseObject({
    // A string in every published answer; taken as a number too, since requests hold numbers.
    id: z.union([z.string().min(1), z.number().int()]).transform(String),
    username: z.string().nullish(),
    email: z.string().nullish(),
    firstName: z.string().nullish(),
    lastName: z.string().nullish(),
    phone: z.string().nullish(),
    localZoneid: z.string().nullish(),
    cdate: z.string().nullish(),
    udate: z.string().nullish(),
  }),
})

export function parseCreated(response: RemoteResponse): CreatedUser | undefined {
  const body = bodySchema.safeParse(response.body)
  return body.success ? { remoteId: body.data.user.id, body: response.body } : undefined
}

/**
 * For users no status is declared. Elsewhere the vendor says "No Result found for …" with 404, 403, 400 or 422.
 * A 404 page of some gateway says nothing about a user, and must not lead to a second create.
 */
export function isAbsent({ status, body, isJson }: RemoteResponse): boolean {
  if (status === 404) return isJson || body === ''
  return status >= 400 && status < 500 && readErrors(body).some(({ text }) => saysNotFound(text))
}

/** A time without an offset would be read by this machine's clock, so it counts as none. */
function toInstant(text: string | null | undefined): string | null {
  return text && /(?:Z|[+-]\d\d:?\d\d)$/.test(text) && !Number.isNaN(Date.parse(text)) ? text : null
}

export function parseFound(response: RemoteResponse, input: CreateInput): FoundUser | undefined {
  const body = bodySchema.safeParse(response.body)
  if (!body.success) return undefined
  const { id, username, cdate } = body.data.user
  const found = toNaturalKey({ user: { username: username ?? '' }, remoteQuery: {} })
  if (found.value !== toNaturalKey(input).value) return undefined
  return { remoteId: id, createdAt: toInstant(cdate), body: response.body }
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
    emails: user.email ? [{ email: user.email, is_primary: true }] : [],
    phones: user.phone ? [{ number: user.phone }] : [],
    timezone: user.localZoneid ?? null,
    created_at: user.cdate ?? null,
    updated_at: user.udate ?? null,
  }
}
