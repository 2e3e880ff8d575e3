import { mergeJson, type JsonObject } from '@muster/contracts/json'
import type { Warning } from '@muster/contracts/operation'
import type { InputProblem } from '@muster/contracts/problem'
import { primaryEmail, type UnifiedUserInputField } from '@muster/contracts/unified-user'
import { readNaturalKey } from '../engine/natural-key.ts'
import { loginPointer, primaryEmailPointer, warnOfFurtherEmails } from '../mapping/emails.ts'
import { firstText } from '../mapping/first-text.ts'
import { checkLengths } from '../mapping/lengths.ts'
import type { AccountContext, CreateInput, CreatePlan, LookUp, NaturalKey, RemoteRequest } from '../provider.ts'
import { isSameLanguage, toLanguageLocaleKey, toLocaleSidKey } from './languages.ts'
import { resolveRoles, roleLookUps, validateRoles } from './roles.ts'
import { resolveTimeZone, timeZoneLookUps } from './time-zones.ts'
import {
  dataPath,
  quote,
  remoteDataOf,
  remoteFieldPointer,
  remoteText,
  repeatedFields,
  toQuery,
} from './user-object.ts'

function usernameOf(input: CreateInput, account: AccountContext): string | undefined {
  const given = remoteText(input, 'Username') ?? input.user.username
  if (given) return given
  const email = primaryEmail(input.user) ?? remoteText(input, 'Email')
  return email && `${email}${firstText(account.config.username_suffix) ?? ''}`
}

/** The body as it will be sent. */
const withRemoteData = (mapped: JsonObject, input: CreateInput): JsonObject => mergeJson(mapped, remoteDataOf(input))

/** Unique over all Salesforce orgs, without regard to case; stored in lower case, and never freed. */
export function toNaturalKey(input: CreateInput, account: AccountContext): NaturalKey {
  const username = usernameOf(input, account)
  const body = withRemoteData({ ...(username && { Username: username }) }, input)
  return readNaturalKey(input, body, ['Username'], {
    pointer: remoteFieldPointer(input, 'Username') ?? loginPointer(input),
    fold: (sent) => sent.toLowerCase(),
  })
}

/** Salesforce's field of each required one. */
const sentAs: Readonly<Partial<Record<UnifiedUserInputField, string>>> = {
  emails: 'Email',
  first_name: 'FirstName',
  last_name: 'LastName',
  roles: 'ProfileId',
  timezone: 'TimeZoneSidKey',
}

/** By remote_data; the profile by the account's config, too. */
export function isGivenElsewhere(field: UnifiedUserInputField, input: CreateInput, account: AccountContext): boolean {
  if (field === 'roles' && firstText(account.config.profile) !== undefined) return true
  const key = sentAs[field]
  return key !== undefined && remoteText(input, key) !== undefined
}

export function validate(input: CreateInput, account: AccountContext): InputProblem[] {
  const { user } = input
  const problems = validateRoles(input, account)
  const problem = (pointer: string, code: string, detail: string) => problems.push({ pointer, code, detail })
  for (const name of repeatedFields(input)) {
    const detail = 'Salesforce takes names of fields in any case, so this one is given twice.'
    problem(`/remote_data/${name}`, 'ambiguous', detail)
  }
  const { sent: username, pointer: usernamePointer } = toNaturalKey(input, account)
  // Several @ are allowed, as in ada@acme.com@portal.example.
  if (username !== '' && !/^[^\s@]\S*@[^\s@]+$/.test(username)) {
    const detail = 'A Salesforce username has the form of an e-mail address, such as ada@example.com.acme.'
    problem(usernamePointer, 'invalid_value', detail)
  }
  problems.push(...validateLengths(input, username, usernamePointer))
  const [language] = user.languages ?? []
  const isLanguageSent = language !== undefined && !remoteText(input, 'LanguageLocaleKey')
  if (isLanguageSent && toLanguageLocaleKey(language) === undefined)
    problem('/languages/0', 'invalid_value', 'Not a BCP 47 language tag.')
  if (user.status === 'invited') problem('/status', 'not_supported', 'A Salesforce user is created active or inactive.')
  return problems
}

const MAX_ALIAS = 8

/** Object reference of User. */
function validateLengths(input: CreateInput, username: string, usernamePointer: string): InputProblem[] {
  const { user } = input
  const { mobile, fax, phone } = choosePhones(input)
  return checkLengths(
    'Salesforce',
    [username, 80, usernamePointer],
    [primaryEmail(user), 128, primaryEmailPointer(input)],
    [user.first_name, 40, '/first_name'],
    [user.last_name, 80, '/last_name'],
    [remoteText(input, 'Alias'), MAX_ALIAS, '/remote_data/Alias'],
    ...[mobile, fax, phone].map((entry) => [entry?.number, 40, `/phones/${entry?.index}/number`] as const),
  )
}

/** One mobile, one fax, one other number. */
function choosePhones(input: CreateInput) {
  const phones = (input.user.phones ?? []).map((phone, index) => ({ ...phone, index }))
  const isMobile = (type = '') => /^(mobile|cell)/i.test(type)
  const isFax = (type = '') => /fax/i.test(type)
  const mobile = phones.find(({ type }) => isMobile(type))
  const fax = phones.find(({ type }) => isFax(type))
  const phone = phones.find(({ type }) => !isMobile(type) && !isFax(type))
  return { phones, mobile, fax, phone }
}

const DEFAULT_LOCALE = 'en_US'

export function lookUps(input: CreateInput, account: AccountContext): LookUp[] {
  return [...roleLookUps(input, account), ...timeZoneLookUps(input, account)]
}

/** What Salesforce demands and the unified model does not have. */
function deriveFields(input: CreateInput, account: AccountContext) {
  const [language] = input.user.languages ?? []
  const { config } = account
  const ownLocale = language && toLocaleSidKey(language)
  return {
    alias: usernameOf(input, account)?.split('@')[0]?.slice(0, MAX_ALIAS),
    languageLocaleKey: (language && toLanguageLocaleKey(language)) ?? firstText(config.language) ?? DEFAULT_LOCALE,
    locale: ownLocale ?? firstText(config.locale) ?? DEFAULT_LOCALE,
    isLocaleOfLanguage: Boolean(ownLocale),
  }
}

export function toCreateRequest(
  input: CreateInput,
  account: AccountContext,
  found: Readonly<Record<string, unknown>>,
): CreatePlan {
  const { user, remoteQuery: query } = input
  const [email, username] = [primaryEmail(user), usernameOf(input, account)]
  const { alias, languageLocaleKey, locale } = deriveFields(input, account)
  const { mobile, fax, phone } = choosePhones(input)
  const { profileId, roleId } = resolveRoles(input, account, found)
  const timeZone = resolveTimeZone(input, found)
  const body: JsonObject = {
    ...(username && { Username: username }),
    ...(email && { Email: email }),
    ...(user.first_name && { FirstName: user.first_name }),
    ...(user.last_name && { LastName: user.last_name }),
    ...(alias && { Alias: alias }),
    ...(timeZone && { TimeZoneSidKey: timeZone }),
    LocaleSidKey: locale,
    EmailEncodingKey: 'UTF-8',
    LanguageLocaleKey: languageLocaleKey,
    ...(profileId && { ProfileId: profileId }),
    ...(roleId && { UserRoleId: roleId }),
    ...(phone && { Phone: phone.number }),
    ...(phone?.extension && { Extension: phone.extension }),
    ...(mobile && { MobilePhone: mobile.number }),
    ...(fax && { Fax: fax.number }),
    ...(user.status === 'inactive' && { IsActive: false }),
  }
  const path = `${dataPath(account)}/sobjects/User`
  return {
    request: { method: 'POST', path, query, body: withRemoteData(body, input) },
    warnings: [...warnOfFurtherEmails(user, 'Salesforce'), ...warnOfDerived(input, account), ...warnOfUnsent(input)],
  }
}

function warnOfDerived(input: CreateInput, account: AccountContext): Warning[] {
  const { alias = '', languageLocaleKey, locale, isLocaleOfLanguage } = deriveFields(input, account)
  const [language] = input.user.languages ?? []
  const warnings: Warning[] = []
  const derived = (key: string, pointer: string, detail: string) => {
    if (remoteText(input, key) === undefined) warnings.push({ code: 'derived', pointer, detail })
  }
  const unique = 'Username was taken from the primary e-mail. It must be unique over all Salesforce orgs.'
  if (!input.user.username) derived('Username', '/username', unique)
  derived('Alias', '/remote_data/Alias', `Alias was cut from the username: ${alias}.`)
  if (!language) derived('LanguageLocaleKey', '/languages', `Without a language, ${languageLocaleKey} was sent.`)
  else if (!isSameLanguage(language, languageLocaleKey))
    derived('LanguageLocaleKey', '/languages/0', `Salesforce's language for ${language} is ${languageLocaleKey}.`)
  const origin = isLocaleOfLanguage ? 'taken from the language' : 'sent, as the default'
  derived('LocaleSidKey', '/remote_data/LocaleSidKey', `The locale ${locale} was ${origin}.`)
  return warnings
}

function warnOfUnsent(input: CreateInput): Warning[] {
  const { user } = input
  const { phones, mobile, fax, phone } = choosePhones(input)
  const warnings: Warning[] = []
  const unsent = (pointer: string, detail: string) => warnings.push({ code: 'not_sent', pointer, detail })
  user.languages?.slice(1).forEach((_, index) => unsent(`/languages/${index + 1}`, 'Salesforce keeps one language.'))
  for (const entry of phones) {
    const pointer = `/phones/${entry.index}`
    if (entry !== mobile && entry !== fax && entry !== phone)
      unsent(pointer, 'Salesforce keeps one mobile, one fax and one other number; this one was left out.')
    else if (entry !== phone && entry.extension)
      unsent(`${pointer}/extension`, 'Salesforce keeps the extension of the main number only.')
  }
  return warnings
}

/** Readable in every org by an account that may create users. */
const coreFields = [
  'Id',
  'Username',
  'FirstName',
  'LastName',
  'Name',
  'Email',
  'Phone',
  'MobilePhone',
  'Fax',
  'Extension',
  'IsActive',
  'TimeZoneSidKey',
  'LanguageLocaleKey',
  'LocaleSidKey',
  'Title',
  'ProfileId',
  'Profile.Name',
  'UserRoleId',
  'UserRole.Name',
  'LastLoginDate',
  'CreatedDate',
  'CreatedById',
  'LastModifiedDate',
  'SystemModstamp',
]
/** These belong to Chatter, which an org can switch off: the look-up after a lost answer must not depend on them. */
const profileFields = ['AboutMe', 'FullPhotoUrl', 'SmallPhotoUrl']

/** By SOQL, since a plain GET gives no names of profile and role. */
export function toReadRequest(remoteId: string, account: AccountContext): RemoteRequest {
  return toQuery(account, `SELECT ${[...coreFields, ...profileFields].join(',')} FROM User WHERE Id=${quote(remoteId)}`)
}

/** SOQL reads the database; SOSL's index lags behind. */
export function toFindRequest(input: CreateInput, account: AccountContext): RemoteRequest {
  return toQuery(
    account,
    `SELECT ${coreFields.join(',')} FROM User WHERE Username=${quote(toNaturalKey(input, account).sent)}`,
  )
}
