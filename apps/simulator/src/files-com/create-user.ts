import { describePassword } from '../framework/password.ts'
import type { VendorContext, VendorRequest, VendorResponse } from '../framework/vendor.ts'
import type { Errors, ModelFailure } from './answers.ts'
import { keyOf } from './authenticate.ts'
import type { Parameters } from './parameters.ts'
import { readParameters } from './parameters.ts'
import type { FilesComSettings } from './settings.ts'
import { isTimeZone } from './time-zones.ts'
import type { FilesComUser, Users } from './users.ts'

/** What the user keeps elsewhere, or is never given back. */
const NOT_KEPT = new Set([
  'username',
  'password',
  'password_confirmation',
  'imported_password_hash',
  'group_id',
  'group_ids',
  'authentication_method',
  'workspace_id',
])

const MAX_USERNAME = 50

/**
 * Recorded: multiple_spaces and leading_trailing_space. The other keys and words are those that Rails has for such
 * errors.
 */
function checkUsername(username: string, settings: FilesComSettings, users: Users): ModelFailure[] {
  const failures: ModelFailure[] = []
  const fail = (key: string, message: string) => failures.push(['username', key, `Username ${message}`])
  if (username.trim() === '') fail('blank', "can't be blank")
  if (/ {2}/.test(username)) fail('multiple_spaces', 'must not contain multiple spaces together')
  if (username !== username.trim()) fail('leading_trailing_space', 'must not begin or end with a space')
  if (username.length > MAX_USERNAME) fail('too_long', `is too long (maximum is ${MAX_USERNAME} characters)`)
  if (settings.reserved_usernames.some((reserved) => users.isSame(reserved, username)))
    fail(settings.reserved_key, 'is reserved')
  if (
    users.findByUsername(username) !== undefined ||
    settings.usernames_taken_elsewhere.some((taken) => users.isSame(taken, username))
  ) {
    fail(settings.taken_key, 'has already been taken')
  }
  return failures
}

/** The rules are the vendor's; how it words their breach is not recorded. */
function checkPassword(password: string, settings: FilesComSettings): ModelFailure[] {
  const failures: ModelFailure[] = []
  const fail = (key: string, message: string) => failures.push(['password', key, `Password ${message}`])
  if (password.length < settings.password_min_length)
    fail('too_short', `is too short (minimum is ${settings.password_min_length} characters)`)
  if (settings.password_require_letter && !/\p{L}/u.test(password)) fail('require_letter', 'must contain a letter')
  if (settings.password_require_mixed && !(/\p{Lu}/u.test(password) && /\p{Ll}/u.test(password)))
    fail('require_mixed', 'must contain upper and lower case letters')
  if (settings.password_require_number && !/\d/.test(password)) fail('require_number', 'must contain a number')
  if (settings.password_require_special && !/[^\p{L}\d]/u.test(password))
    fail('require_special', 'must contain a special character')
  return failures
}

function checkRest(sent: Parameters, method: string, settings: FilesComSettings): ModelFailure[] {
  const failures: ModelFailure[] = []
  const { email, password, password_confirmation: confirmation, time_zone: zone } = sent
  if (typeof email === 'string' && email !== '' && !/^[^\s@]+@[^\s@]+$/.test(email))
    failures.push(['email', 'invalid', 'Email is invalid'])
  if (method === 'email_signup' && !email) failures.push(['email', 'blank', "Email can't be blank"])
  if (method === 'sso' && typeof sent['sso_strategy_id'] !== 'number')
    failures.push(['sso_strategy_id', 'blank', "Sso strategy can't be blank"])
  // Documented: compared where it is given.
  if (typeof confirmation === 'string' && confirmation !== password)
    failures.push(['password_confirmation', 'confirmation', "Password confirmation doesn't match Password"])
  if (typeof zone === 'string' && !isTimeZone(zone, settings.accepts_iana_time_zones))
    failures.push(['time_zone', 'inclusion', 'Time zone is not included in the list'])
  return failures
}

const toGroupIds = (sent: Parameters): number[] => {
  const listed =
    typeof sent['group_ids'] === 'string'
      ? sent['group_ids']
          .split(',')
          .filter((part) => part.trim() !== '')
          .map(Number)
      : []
  return [...new Set([...listed, ...(typeof sent['group_id'] === 'number' ? [sent['group_id']] : [])])]
}

/** POST /users. Check and commit are one synchronous step: two requests at once cannot both get a username. */
export function createCreateUser(context: VendorContext<FilesComSettings>, users: Users, errors: Errors) {
  function check(
    request: VendorRequest,
    sent: Parameters,
    username: string,
    method: string,
  ): VendorResponse | undefined {
    const settings = context.settings()
    // Who gives more than they have; the words are not recorded.
    if (
      keyOf(request, settings)?.rights !== 'site_admin' &&
      (sent['site_admin'] === true || sent['readonly_site_admin'] === true)
    ) {
      return errors.refuse(
        'not-authorized/insufficient-permission-for-params',
        'Insufficient permission for params: site_admin',
      )
    }
    // Neither the type nor the status is recorded.
    if (!settings.non_sso_users_allowed) {
      return errors.refuse(
        'not-authorized/insufficient-permission-for-params',
        'Users can only be managed via your SSO provider.',
      )
    }
    const groupIds = toGroupIds(sent)
    if (groupIds.some(Number.isNaN)) return errors.parameterInvalid('group_ids')
    if (groupIds.some((id) => !settings.groups.some((group) => group.id === id))) {
      return errors.refuse('not-found/group-not-found', 'Group not found.')
    }
    const password = sent['password']
    const failures = [
      ...checkUsername(username, settings, users),
      ...(typeof password === 'string' ? checkPassword(password, settings) : []),
      ...checkRest(sent, method, settings),
    ]
    return failures.length === 0 ? undefined : errors.modelSaveError(failures)
  }

  return (request: VendorRequest): FilesComUser | VendorResponse => {
    const read = readParameters(request)
    if ('refused' in read) {
      if (read.refused === 'body') return errors.refuse('bad-request/invalid-body', 'The request body is not valid.')
      if (read.refused === 'date')
        return errors.refuse('bad-request/datetime-parse', `Invalid date or time: ${read.name}`)
      return errors.parameterInvalid(read.name)
    }
    const { parameters } = read
    const username = parameters['username']
    if (typeof username !== 'string') return errors.parameterMissing('username')
    const settings = context.settings()
    const method =
      typeof parameters['authentication_method'] === 'string'
        ? parameters['authentication_method']
        : settings.default_authentication_method
    const refusal = check(request, parameters, username, method)
    if (refusal !== undefined) return refusal

    const password = parameters['password']
    const workspace = parameters['workspace_id'] ?? request.headers['x-files-workspace-id'] ?? 0
    const user: FilesComUser = {
      id: users.nextId(),
      username,
      createdMs: context.now(),
      // Whole seconds, as in all of the vendor's examples.
      createdAt: new Date(context.now()).toISOString().replace(/\.\d+Z$/, 'Z'),
      sent: Object.fromEntries(Object.entries(parameters).filter(([name]) => !NOT_KEPT.has(name))),
      authenticationMethod: method,
      workspaceId: Number(workspace) || 0,
      groupIds: toGroupIds(parameters),
      adminGroupIds: [],
      password: describePassword(typeof password === 'string' ? password : undefined),
    }
    users.add(user)
    context.recordCreated(request, { id: String(user.id), key: username.toLowerCase() })
    return user
  }
}
