import { mergeJson, type JsonObject } from '@muster/contracts/json'
import type { Warning } from '@muster/contracts/operation'
import type { InputProblem } from '@muster/contracts/problem'
import { primaryEmail } from '@muster/contracts/unified-user'
import { z } from 'zod'
import { UnresolvedInputError, type AccountContext, type CreateInput, type CreatePlan, type LookUp, type NaturalKey, type RemoteRequest } from '../provider.ts'
import { isSameLanguage, toLanguageLocaleKey, toLocaleSidKey } from './languages.ts'
import { resolveRoles, roleLookUps, validateRoles } from './roles.ts'
import { dataPath, quote, toQuery } from './soql.ts'
import { chooseTimeZoneSidKey, toNearbyTimeZones, toTimeZoneSidKey } from './time-zones.ts'

const DEFAULT_LOCALE = 'en_US'
const TIME_ZONES = 'time zones'

/** Object reference of User: longest values. */
const MAX_LENGTHS = { Username: 80, Email: 128, FirstName: 40, LastName: 80, Alias: 8, Phone: 40, MobilePhone: 40, Fax: 40, Extension: 40 } as const

const textOf = (...candidates: unknown[]): string | undefined => candidates.find((value): value is string => typeof value === 'string' && value !== '')

const remoteText = (input: CreateInput, key: string): string | undefined => textOf(input.user.remote_data?.[key])

function usernameOf(input: CreateInput, account: AccountContext): string | undefined {
  const given = remoteText(input, 'Username') ?? input.user.username
  if (given) return given
  const email = primaryEmail(input.user)
  return email && `${email}${textOf(account.config.username_suffix) ?? ''}`
}

/** One mobile, one fax, one other number. */
function phonesOf(input: CreateInput) {
  const phones = (input.user.phones ?? []).map((phone, index) => ({ ...phone, index }))
  const isMobile = (type = '') => /^(mobile|cell)/i.test(type)
  const isFax = (type = '') => /fax/i.test(type)
  const mobile = phones.find(({ type }) => isMobile(type))
  const fax = phones.find(({ type }) => isFax(type))
  const phone = phones.find(({ type }) => !isMobile(type) && !isFax(type))
  return { phones, mobile, fax, phone }
}

export function validate(input: CreateInput, account: AccountContext): InputProblem[] {
  const { user } = input
  const problems = validateRoles(input, account)
  const tooLong = (field: keyof typeof MAX_LENGTHS, value: string | undefined, pointer: string) => {
    if (value !== undefined && value.length > MAX_LENGTHS[field]) problems.push({ pointer, code: 'too_long', detail: `Salesforce takes at most ${MAX_LENGTHS[field]} characters for ${field}.` })
  }
  const username = usernameOf(input, account)
  const usernamePointer = remoteText(input, 'Username') ? '/remote_data/Username' : '/username'
  if (username !== undefined && !/^[^\s@]+@[^\s@]+$/.test(username)) {
    problems.push({ pointer: usernamePointer, code: 'invalid', detail: 'A Salesforce username has the form of an e-mail address, such as ada@example.com.acme.' })
  }
  tooLong('Username', username, usernamePointer)
  const emailIndex = Math.max(0, user.emails?.findIndex((entry) => entry.is_primary) ?? 0)
  tooLong('Email', primaryEmail(user), `/emails/${emailIndex}/email`)
  tooLong('FirstName', user.first_name, '/first_name')
  tooLong('LastName', user.last_name, '/last_name')
  tooLong('Alias', remoteText(input, 'Alias'), '/remote_data/Alias')
  const { mobile, fax, phone } = phonesOf(input)
  for (const entry of [mobile, fax, phone]) if (entry) tooLong('Phone', entry.number, `/phones/${entry.index}/number`)
  const language = user.languages?.[0]
  if (language !== undefined && !remoteText(input, 'LanguageLocaleKey') && toLanguageLocaleKey(language) === undefined) {
    problems.push({ pointer: '/languages/0', code: 'invalid', detail: 'Not a BCP 47 language tag.' })
  }
  if (user.status === 'deleted' || user.status === 'invited') problems.push({ pointer: '/status', code: 'not_supported', detail: 'A Salesforce user is created active or inactive.' })
  return problems
}

/** Unique over all Salesforce orgs, without regard to case; stored in lower case, and never freed. */
export function toNaturalKey(input: CreateInput, account: AccountContext): NaturalKey {
  return { field: 'Username', value: (usernameOf(input, account) ?? '').toLowerCase() }
}

const describeSchema = z.looseObject({
  fields: z.array(z.looseObject({ name: z.string(), picklistValues: z.array(z.looseObject({ value: z.string(), active: z.boolean().nullish() })).nullish() })),
})

/** A zone outside the known list, such as UTC: only the org's own picklist tells whether and how it can be had. */
const isTimeZoneUnknown = ({ user }: CreateInput): boolean =>
  user.timezone !== undefined && textOf(user.remote_data?.TimeZoneSidKey) === undefined && toTimeZoneSidKey(user.timezone) === undefined

export function lookUps(input: CreateInput, account: AccountContext): LookUp[] {
  const timeZones: LookUp = {
    key: TIME_ZONES,
    request: { method: 'GET', path: `${dataPath(account)}/sobjects/User/describe` },
    placeholder: [input.user.timezone],
    parse({ body }) {
      const described = describeSchema.safeParse(body).data
      const field = described?.fields.find(({ name }) => name === 'TimeZoneSidKey')
      return (field?.picklistValues ?? []).filter((entry) => entry.active !== false).map((entry) => entry.value)
    },
  }
  return [...roleLookUps(input, account), ...(isTimeZoneUnknown(input) ? [timeZones] : [])]
}

function timeZoneOf(input: CreateInput, found: Readonly<Record<string, unknown>>): string | undefined {
  const zone = input.user.timezone
  if (zone === undefined || !isTimeZoneUnknown(input)) return zone && toTimeZoneSidKey(zone)
  const listed = Array.isArray(found[TIME_ZONES]) ? (found[TIME_ZONES] as string[]) : []
  // Nothing known of the org: it is Salesforce's to refuse.
  if (listed.length === 0) return zone
  const chosen = chooseTimeZoneSidKey(zone, listed)
  if (chosen) return chosen
  const nearby = toNearbyTimeZones(zone, listed).slice(0, 8)
  const advice = nearby.length > 0 ? ` It lists with the same offsets: ${nearby.join(', ')}.` : ''
  throw new UnresolvedInputError('/timezone', `This Salesforce org does not list the time zone ${zone}.${advice}`)
}

export function toCreateRequest(input: CreateInput, account: AccountContext, found: Readonly<Record<string, unknown>>): CreatePlan {
  const { user } = input
  const { config } = account
  const warnings: Warning[] = []
  const derived = (key: string, pointer: string, detail: string) => {
    if (remoteText(input, key) === undefined) warnings.push({ code: 'derived', pointer, detail })
  }
  const unsent = (pointer: string, detail: string) => warnings.push({ code: 'not_sent', pointer, detail })

  const email = primaryEmail(user)
  const username = usernameOf(input, account)
  if (!user.username) derived('Username', '/username', 'Username was taken from the primary e-mail. It must be unique over all Salesforce orgs.')
  user.emails?.forEach((entry, index) => {
    if (entry.email !== email) unsent(`/emails/${index}`, 'Salesforce keeps one e-mail address; this one was left out.')
  })
  const alias = username?.split('@')[0]?.slice(0, MAX_LENGTHS.Alias)
  derived('Alias', '/remote_data/Alias', `Alias was cut from the username: ${alias ?? ''}.`)

  const [language] = user.languages ?? []
  const languageLocaleKey = (language && toLanguageLocaleKey(language)) ?? textOf(config.language) ?? DEFAULT_LOCALE
  const locale = (language && toLocaleSidKey(language)) ?? textOf(config.locale) ?? DEFAULT_LOCALE
  if (!language) derived('LanguageLocaleKey', '/languages', `Without a language, ${languageLocaleKey} was sent.`)
  else if (!isSameLanguage(language, languageLocaleKey)) derived('LanguageLocaleKey', '/languages/0', `Salesforce's language for ${language} is ${languageLocaleKey}.`)
  derived('LocaleSidKey', '/remote_data/LocaleSidKey', `The locale ${locale} was ${language && toLocaleSidKey(language) ? 'taken from the language' : 'sent, as the default'}.`)
  user.languages?.slice(1).forEach((_, index) => unsent(`/languages/${index + 1}`, 'Salesforce keeps one language.'))

  const { phones, mobile, fax, phone } = phonesOf(input)
  phones.forEach((entry) => {
    if (entry !== mobile && entry !== fax && entry !== phone) unsent(`/phones/${entry.index}`, 'Salesforce keeps one mobile, one fax and one other number; this one was left out.')
    else if (entry !== phone && entry.extension) unsent(`/phones/${entry.index}/extension`, 'Salesforce keeps the extension of the main number only.')
  })

  const { profileId, roleId } = resolveRoles(input, account, found)
  const timeZone = timeZoneOf(input, found)
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
  return {
    request: { method: 'POST', path: `${dataPath(account)}/sobjects/User`, query: input.remoteQuery, body: mergeJson(body, user.remote_data ?? {}) },
    warnings,
  }
}

/** Readable in every org by whoever may create users. */
const coreFields = [
  'Id', 'Username', 'FirstName', 'LastName', 'Name', 'Email', 'Phone', 'MobilePhone', 'Fax', 'Extension', 'IsActive', 'TimeZoneSidKey', 'LanguageLocaleKey', 'LocaleSidKey', 'Title',
  'ProfileId', 'Profile.Name', 'UserRoleId', 'UserRole.Name', 'LastLoginDate', 'CreatedDate', 'CreatedById', 'LastModifiedDate', 'SystemModstamp',
]
/** These belong to Chatter, which an org can switch off: the look-up after a lost answer must not depend on them. */
const profileFields = ['AboutMe', 'FullPhotoUrl', 'SmallPhotoUrl']

/** By SOQL, since a plain GET gives no names of profile and role. */
export function toReadRequest(remoteId: string, account: AccountContext): RemoteRequest {
  return toQuery(account, `SELECT ${[...coreFields, ...profileFields].join(',')} FROM User WHERE Id=${quote(remoteId)}`)
}

/** SOQL reads the database; SOSL's index lags behind. */
export function toFindRequest(input: CreateInput, account: AccountContext): RemoteRequest {
  return toQuery(account, `SELECT ${coreFields.join(',')} FROM User WHERE Username=${quote(usernameOf(input, account) ?? '')}`)
}
