import { z } from 'zod'
import { describePassword } from '../framework/password.ts'
import type { VendorContext, VendorRequest, VendorResponse } from '../framework/vendor.ts'
import { notFound, oktaError, validationFailed } from './answers.ts'
import { createId, toTimestamp } from './identifiers.ts'
import { checkPassword, checkProfile } from './profile.ts'
import type { OktaSettings } from './settings.ts'
import type { OktaUser, Users, UserStatus } from './users.ts'

const bodySchema = z.object({
  profile: z.record(z.string(), z.unknown()).default({}),
  credentials: z
    .object({
      password: z
        .object({
          value: z.string().optional(),
          hash: z.object({ algorithm: z.string(), value: z.string() }).optional(),
          hook: z.json().optional(),
        })
        .optional(),
      recovery_question: z.object({ question: z.string(), answer: z.string() }).optional(),
      provider: z.object({ type: z.string().optional(), name: z.string().optional() }).optional(),
    })
    .default({}),
  groupIds: z.array(z.string()).default([]),
  realmId: z.string().optional(),
  type: z.object({ id: z.string() }).optional(),
})
type Body = z.output<typeof bodySchema>

function parseBody(body: string): Body | undefined {
  try {
    return bodySchema.safeParse(JSON.parse(body)).data
  } catch {
    return undefined
  }
}

/** Wrong media types, in Okta's two codes: E0000021 for what was sent, E0000019 for what is wanted back. */
function checkMediaTypes({ headers }: VendorRequest): VendorResponse | undefined {
  const summary = 'Bad request.  Accept and/or Content-Type headers likely do not match supported values.'
  if (!/^application\/json\b/i.test(headers['content-type'] ?? '')) return oktaError(400, 'E0000021', summary)
  if (!/(application\/(json|\*)|\*\/\*)/i.test(headers.accept ?? '*/*')) return oktaError(400, 'E0000019', summary)
  return undefined
}

/**
 * `provider=true` takes the provider from the body; FEDERATION without a name quietly makes an OKTA user (SDK issue
 * 394).
 */
function chooseProvider(body: Body, isGiven: boolean): OktaUser['provider'] {
  const { password, provider } = body.credentials
  // Recorded: a user with an imported hash has the provider IMPORT.
  if (password?.hash !== undefined) return { type: 'IMPORT', name: 'IMPORT' }
  if (isGiven && provider?.type !== undefined && provider.name !== undefined) {
    return { type: provider.type, name: provider.name }
  }
  return { type: 'OKTA', name: 'OKTA' }
}

/** Okta's status table for new users. */
function chooseStatus(
  isActivated: boolean,
  hasPassword: boolean,
  isFederated: boolean,
  isExpired: boolean,
): UserStatus {
  if (!isActivated) return 'STAGED'
  if (isExpired) return 'PASSWORD_EXPIRED'
  return hasPassword || isFederated ? 'ACTIVE' : 'PROVISIONED'
}

/** POST /api/v1/users. Check and commit are one synchronous step: two requests at once cannot both get a login. */
export function createCreateUser(context: VendorContext<OktaSettings>, users: Users, typeId: string) {
  function check(request: VendorRequest, body: Body): VendorResponse | undefined {
    const settings = context.settings()
    const password = body.credentials.password
    if (request.query.get('nextLogin') === 'changePassword') {
      const start = 'Could not create user. To create a user and expire their password immediately,'
      if (request.query.get('activate') === 'false')
        return oktaError(400, 'E0000125', `${start} \`activate\` must be true.`)
      if (password?.value === undefined) return oktaError(400, 'E0000124', `${start} a password must be specified.`)
    }

    const login = body.profile['login']
    const refusal = checkProfile(body.profile, settings)
    if (refusal !== undefined || typeof login !== 'string') return refusal
    if (users.isLoginTaken(login)) {
      return validationFailed('login', ['login: An object with this field already exists in the current organization'])
    }
    if (body.groupIds.length > 20) {
      return oktaError(400, 'E0000093', 'Target count limit exceeded', ['The number of group targets is too large'])
    }
    const unknownGroup = body.groupIds.find((id) => !settings.groups.some((group) => group.id === id))
    // The shape is that of a missing user; not recorded for groups.
    if (unknownGroup !== undefined) return notFound(unknownGroup, 'UserGroup')
    return password?.value === undefined ? undefined : checkPassword(password.value, login)
  }

  return (request: VendorRequest): OktaUser | VendorResponse => {
    const refusal = checkMediaTypes(request)
    if (refusal !== undefined) return refusal
    const body = parseBody(request.body)
    if (body === undefined) return oktaError(400, 'E0000003', 'The request body was not well-formed.')
    const invalid = check(request, body)
    if (invalid !== undefined) return invalid

    const { password, recovery_question: recovery } = body.credentials
    const provider = chooseProvider(body, request.query.get('provider') === 'true')
    const isActivated = request.query.get('activate') !== 'false'
    const hasPassword = password?.value !== undefined || password?.hash !== undefined || password?.hook !== undefined
    const isFederated = provider.type === 'FEDERATION' || provider.type === 'SOCIAL'
    const at = toTimestamp(context.now())
    const user: OktaUser = {
      id: createId('00u'),
      status: chooseStatus(isActivated, hasPassword, isFederated, request.query.get('nextLogin') === 'changePassword'),
      created: at,
      // Recorded: set at once for PROVISIONED, although the person has done nothing yet.
      activated: isActivated ? at : null,
      // Recorded: STAGED has none, unless a hash was given.
      statusChanged: isActivated || password?.hash !== undefined ? at : null,
      lastUpdated: at,
      passwordChanged: hasPassword ? at : null,
      createdMs: context.now(),
      profile: body.profile as OktaUser['profile'],
      password: describePassword(password?.value),
      hasPassword,
      hashAlgorithm: password?.hash?.algorithm ?? null,
      recoveryQuestion: recovery?.question,
      provider,
      typeId: body.type?.id ?? typeId,
      realmId: body.realmId ?? context.settings().realm_id,
      groupIds: body.groupIds,
    }
    users.add(user)
    context.recordCreated(request, { id: user.id, key: user.profile.login.toLowerCase() })
    return user
  }
}
