import type { JsonObject } from '@muster/contracts/json'
import type { Warning } from '@muster/contracts/operation'
import type { UnifiedUserInput } from '@muster/contracts/unified-user'
import type { AccountContext, CreateInput, CreatePlan, RemoteRequest } from '../provider.ts'
import { pathOf } from '../engine/remote-request.ts'
import { findAddress, mapAddress, toNaturalKey, withRemoteData } from './identity.ts'
import { toGoogleLanguage } from './languages.ts'

export const USERS = '/admin/directory/v1/users'

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
