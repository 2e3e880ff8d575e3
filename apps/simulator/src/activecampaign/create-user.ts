import { z } from 'zod'
import { describePassword } from '../framework/password.ts'
import type { VendorContext, VendorRequest, VendorResponse } from '../framework/vendor.ts'
import type { FieldError } from './answers.ts'
import { badRequest, message, unprocessable } from './answers.ts'
import type { ActiveCampaignSettings } from './settings.ts'
import type { ActiveCampaignUser, Users } from './users.ts'

const text = z
  .union([z.string(), z.number().transform(String)])
  .nullish()
  .transform((value) => value ?? '')
const bodySchema = z.object({
  user: z.object({ username: text, email: text, firstName: text, lastName: text, password: text, group: text }),
})
type Body = z.output<typeof bodySchema>['user']

function parseBody(body: string): Body | undefined {
  try {
    return bodySchema.safeParse(JSON.parse(body)).data?.user
  } catch {
    return undefined
  }
}

/** POST /api/3/users. Check and commit are one synchronous step: two requests at once cannot both get a username. */
export function createCreateUser(
  { settings, now, recordCreated }: VendorContext<ActiveCampaignSettings>,
  users: Users,
) {
  function checkFields(body: Body): FieldError[] {
    const { required, groups } = settings()
    const missing = required
      .filter((attribute) => body[attribute] === '')
      .map((attribute): FieldError => ({
        title: `The user ${attribute} was not provided.`,
        code: 'field_missing',
        attribute,
      }))
    if (missing.length > 0) return missing
    if (body.email !== '' && !/^[^\s@]+@[^\s@]+$/.test(body.email))
      return [{ title: 'Email address is not valid.', code: 'field_invalid', attribute: 'email' }]
    if (body.group !== '' && !groups.some(({ id }) => String(id) === body.group)) {
      return [{ title: 'The related group does not exist.', code: 'related_missing', attribute: 'group' }]
    }
    return []
  }

  function checkTaken(body: Body): VendorResponse | undefined {
    const { duplicate_answer, email_is_unique, seat_limit, seat_limit_answer } = settings()
    const attribute =
      users.findByUsername(body.username) !== undefined
        ? 'username'
        : email_is_unique && users.findByEmail(body.email) !== undefined
          ? 'email'
          : undefined
    if (attribute !== undefined) {
      const title =
        attribute === 'email' ? 'Email address already exists in the system' : 'Username already exists in the system'
      return duplicate_answer === 'message'
        ? message(422, title)
        : unprocessable([{ title, code: 'duplicate', attribute }])
    }
    return seat_limit !== null && users.count() >= seat_limit
      ? { status: seat_limit_answer.status, body: seat_limit_answer.body }
      : undefined
  }

  return (request: VendorRequest): ActiveCampaignUser | VendorResponse => {
    const body = parseBody(request.body)
    if (body === undefined) return badRequest()
    const errors = checkFields(body)
    if (errors.length > 0) return unprocessable(errors)
    const refusal = checkTaken(body)
    if (refusal !== undefined) return refusal

    const { password, ...given } = body
    const user: ActiveCampaignUser = {
      id: users.nextId(),
      ...given,
      password: describePassword(password === '' ? undefined : password),
      createdAt: now(),
    }
    users.add(user)
    recordCreated(request, { id: user.id, key: user.username.toLowerCase() })
    return user
  }
}
