import { isJsonObject, type JsonObject } from '@muster/contracts/json'
import type { Warning } from '@muster/contracts/operation'
import type { InputProblem } from '@muster/contracts/problem'
import { primaryEmail, type UnifiedUserInput, type UnifiedUserInputField } from '@muster/contracts/unified-user'
import { readNaturalKey } from '../engine/natural-key.ts'
import { pathOf } from '../engine/remote-request.ts'
import { primaryEmailPointer } from '../mapping/emails.ts'
import { firstText } from '../mapping/first-text.ts'
import { checkLengths } from '../mapping/lengths.ts'
import { withRemoteData } from '../mapping/remote-data.ts'
import type { AccountContext, CreateInput, CreatePlan, NaturalKey, RemoteRequest } from '../provider.ts'
import { toGoogleLanguage } from './languages.ts'

export const USERS = '/admin/directory/v1/users'

interface Address {
  value: string
  /** JSON pointer of where the request gave it. */
  pointer: string
}

/** What becomes `primaryEmail`: remote_data's own, else the primary address, else a username that is an address. */
export function findAddress(input: CreateInput): Address | undefined {
  const { user } = input
  const own = firstText(user.remote_data?.primaryEmail)
  if (own !== undefined) return { value: own, pointer: '/remote_data/primaryEmail' }
  const primary = primaryEmail(user)
  if (primary) return { value: primary, pointer: primaryEmailPointer(input) }
  if (user.username?.includes('@')) return { value: user.username, pointer: '/username' }
  return undefined
}

/** What is mapped is sent in lower case, as Google keeps it. */
const mapAddress = (address: Address | undefined): JsonObject =>
  address ? { primaryEmail: foldAddress(address.value) } : {}

export function toNaturalKey(input: CreateInput): NaturalKey {
  const address = findAddress(input)
  return readNaturalKey(input, withRemoteData(mapAddress(address), input), ['primaryEmail'], {
    pointer: address?.pointer ?? '/emails',
    fold: foldAddress,
  })
}

export const foldAddress = (address: string): string => address.toLowerCase()

export function isConflictResolution({ remoteQuery }: CreateInput): boolean {
  return String(remoteQuery.resolveConflictAccount) === 'true'
}

/** Discovery document, UserName. The limits page says 40: names between the two are left to Google. */
const MAX_NAME_LENGTH = 60
/** Directory API, limits page: 8 to 100 ASCII characters. */
const PASSWORD = /^[\x20-\x7e]{8,100}$/
/**
 * "Manage user accounts" guide: letters, digits, dash, underscore, apostrophe and period, and no two periods in a row;
 * "Name guidelines for users": none at the begin or the end.
 */
const LOCAL_PART = /^(?!\.|.*\.\.|.*\.$)[a-z0-9_'.-]+$/i

/** What a digest looks like, by `hashFunction` (discovery document, User.hashFunction). */
const digests: Readonly<Record<string, RegExp>> = {
  MD5: /^[0-9a-f]{32}$/i,
  'SHA-1': /^[0-9a-f]{40}$/i,
  // Traditional DES has 13 characters; the others begin with their kind.
  CRYPT: /^([./0-9a-z]{13}|\$(1|5|6)\$.+)$/i,
}
const MAX_CRYPT_ROUNDS = 10_000

function checkPassword({ user }: CreateInput): InputProblem | undefined {
  const { password: own, hashFunction } = user.remote_data ?? {}
  const [value, pointer] = typeof own === 'string' ? [own, '/remote_data/password'] : [user.password, '/password']
  if (value === undefined) return undefined
  const problem = (detail: string, where = pointer) => ({ pointer: where, code: 'invalid_value', detail })
  if (typeof hashFunction !== 'string')
    return PASSWORD.test(value) ? undefined : problem('Google Workspace takes passwords of 8 to 100 ASCII characters.')
  const digest = digests[hashFunction.toUpperCase()]
  if (!digest) return problem('Google Workspace knows MD5, SHA-1 and crypt.', '/remote_data/hashFunction')
  // Google would store a plain password as if it were a digest, without an error, and no one could sign in.
  if (!digest.test(value)) return problem(`With hashFunction ${hashFunction} the password must be its digest.`)
  const rounds = /^\$[56]\$rounds=(\d+)\$/.exec(value)?.[1]
  return rounds !== undefined && Number(rounds) > MAX_CRYPT_ROUNDS
    ? problem(`Google Workspace takes at most ${MAX_CRYPT_ROUNDS} rounds.`)
    : undefined
}

function checkAddress(input: CreateInput): InputProblem | undefined {
  const own = input.user.remote_data?.primaryEmail
  if (own !== undefined && (typeof own !== 'string' || !own.includes('@')))
    return { pointer: '/remote_data/primaryEmail', code: 'invalid_value', detail: 'primaryEmail must be an address.' }
  const address = findAddress(input)
  if (!address)
    return {
      pointer: '/emails',
      code: 'required',
      detail: 'Google Workspace needs an e-mail address: give emails, or a username that is one.',
    }
  const localPart = address.value.slice(0, address.value.lastIndexOf('@'))
  if (LOCAL_PART.test(localPart)) return undefined
  return {
    pointer: address.pointer,
    code: 'invalid_value',
    detail: "Before the @, Google Workspace takes letters, digits, - _ ' and single periods between them.",
  }
}

/**
 * The names and the password, by remote_data; the address is checked by `validate`, which knows a third place for it.
 */
export function isGivenElsewhere(field: UnifiedUserInputField, { user }: CreateInput): boolean {
  const { name, password } = user.remote_data ?? {}
  const { givenName, familyName } = isJsonObject(name) ? name : {}
  const given: Partial<Record<UnifiedUserInputField, unknown>> = {
    password,
    first_name: givenName,
    last_name: familyName,
  }
  return firstText(given[field]) !== undefined
}

export function validate(input: CreateInput): InputProblem[] {
  const { first_name, last_name, remote_data: { orgUnitPath, recoveryPhone } = {}, status } = input.user
  const problems = [checkAddress(input), checkPassword(input)].filter((problem) => problem !== undefined)
  const problem = (pointer: string, code: string, detail: string) => problems.push({ pointer, code, detail })
  problems.push(
    ...checkLengths(
      'Google Workspace',
      [first_name, MAX_NAME_LENGTH, '/first_name'],
      [last_name, MAX_NAME_LENGTH, '/last_name'],
    ),
  )
  const invites =
    'Google Workspace invites only owners of an unmanaged account: give remote_query[resolveConflictAccount]=true.'
  if (status === 'invited') problem('/status', 'not_supported', invites)
  const begins = (value: unknown, sign: string) => typeof value === 'string' && value.startsWith(sign)
  if (orgUnitPath !== undefined && !begins(orgUnitPath, '/'))
    problem('/remote_data/orgUnitPath', 'invalid_value', 'An orgUnitPath begins with /.')
  if (recoveryPhone !== undefined && !begins(recoveryPhone, '+'))
    problem('/remote_data/recoveryPhone', 'invalid_value', 'A recoveryPhone has the E.164 form and begins with +.')
  return problems
}

/** Discovery document: types of User.phones and User.emails; any other goes with `custom` and a `customType`. */
const phoneTypes = new Set(
  'home work other home_fax work_fax other_fax mobile pager company_main assistant car radio isdn callback telex tty_tdd work_mobile work_pager main grand_central'.split(
    ' ',
  ),
)
const emailTypes = new Set(['home', 'work', 'other'])
/** Unified words for Google's. */
const synonyms: Readonly<Record<string, string>> = { cell: 'mobile', cellphone: 'mobile', fax: 'other_fax' }

/** Set by Google alone: an insert with one of them succeeds, and the value is lost (discovery document). */
const readOnlyFields = ['isAdmin', 'isDelegatedAdmin', 'aliases', 'id']

function toType(type: string | undefined, known: ReadonlySet<string>): JsonObject {
  if (!type) return { type: 'other' }
  const name = type
    .trim()
    .toLowerCase()
    .replace(/[\s-]+/g, '_')
  const google = synonyms[name] ?? name
  return known.has(google) ? { type: google } : { type: 'custom', customType: type }
}

function toLanguages(languages: readonly string[]): JsonObject[] {
  return languages.map((tag, index): JsonObject => {
    const languageCode = toGoogleLanguage(tag)
    // A customLanguage can have no preference.
    return languageCode === undefined
      ? { customLanguage: tag }
      : { languageCode, preference: index === 0 ? 'preferred' : 'not_preferred' }
  })
}

function toSecondaryEmails(user: UnifiedUserInput, address: string): JsonObject[] {
  return (user.emails ?? [])
    .filter((entry) => entry.email.toLowerCase() !== address)
    .map((entry) => ({ address: entry.email, ...toType(entry.type, emailTypes) }))
}

function toWarnings(input: CreateInput): Warning[] {
  const { user } = input
  const warnings: Warning[] = []
  const address = findAddress(input)
  if (address?.pointer === '/username')
    warnings.push({ code: 'derived', pointer: '/emails', detail: 'primaryEmail was taken from the username.' })
  else if (user.username && user.username.toLowerCase() !== address?.value.toLowerCase()) {
    warnings.push({
      code: 'not_sent',
      pointer: '/username',
      detail: 'Google Workspace has no username beside the primary address: it was not sent.',
    })
  }
  for (const field of readOnlyFields) {
    if (user.remote_data?.[field] !== undefined)
      warnings.push({
        code: 'ignored_by_provider',
        pointer: `/remote_data/${field}`,
        detail: `Google Workspace ignores ${field} when it creates a user.`,
      })
  }
  return warnings
}

export function toCreateRequest(input: CreateInput, account: AccountContext): CreatePlan {
  const { user } = input
  const { config } = account
  const emails = toSecondaryEmails(user, toNaturalKey(input).value)
  const body: JsonObject = {
    ...mapAddress(findAddress(input)),
    ...(user.password && { password: user.password }),
    name: {
      ...(user.first_name && { givenName: user.first_name }),
      ...(user.last_name && { familyName: user.last_name }),
    },
    ...(emails.length > 0 && { emails }),
    // There is no field for an extension.
    ...(user.phones?.length && {
      phones: user.phones.map((phone) => ({
        value: phone.extension ? `${phone.number} x${phone.extension}` : phone.number,
        ...toType(phone.type, phoneTypes),
      })),
    }),
    ...(user.languages?.length && { languages: toLanguages(user.languages) }),
    ...(user.status === 'inactive' && { suspended: true }),
    ...(typeof config.org_unit_path === 'string' && { orgUnitPath: config.org_unit_path }),
    ...(typeof config.change_password_at_next_login === 'boolean' && {
      changePasswordAtNextLogin: config.change_password_at_next_login,
    }),
  }
  return {
    request: {
      method: 'POST',
      path: USERS,
      query: { ...input.remoteQuery },
      body: withRemoteData(body, input),
    },
    warnings: toWarnings(input),
  }
}

/** By address. Aliases match too. */
export function toFindRequest(input: CreateInput): RemoteRequest {
  return { method: 'GET', path: pathOf`/admin/directory/v1/users/${toNaturalKey(input).sent}` }
}

/** In quotes, as Google's search wants text with other signs than letters. */
export function toDeletedRequest(input: CreateInput): RemoteRequest {
  const address = toNaturalKey(input).value.replaceAll("'", "\\'")
  return {
    method: 'GET',
    path: USERS,
    query: { customer: 'my_customer', query: `email='${address}'`, showDeleted: true },
  }
}
