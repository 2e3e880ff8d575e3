import type { JsonObject } from '@muster/contracts/json'
import type { Warning } from '@muster/contracts/operation'
import { primaryEmail } from '@muster/contracts/unified-user'
import { warnOfFurtherEmails } from '../mapping/emails.ts'
import { firstText } from '../mapping/first-text.ts'
import type { AccountContext, CreateInput, CreatePlan, LookUp, RemoteRequest } from '../provider.ts'
import { remoteText, toNaturalKey, usernameOf, withRemoteData } from './identity.ts'
import { isSameLanguage, toLanguageLocaleKey, toLocaleSidKey } from './languages.ts'
import { phonesOf } from './phones.ts'
import { resolveRoles, roleLookUps } from './roles.ts'
import { dataPath, quote, toQuery } from './soql.ts'
import { resolveTimeZone, timeZoneLookUps } from './time-zone-look-up.ts'
import { MAX_LENGTHS } from './validate.ts'

const DEFAULT_LOCALE = 'en_US'

export function lookUps(input: CreateInput, account: AccountContext): LookUp[] {
  return [...roleLookUps(input, account), ...timeZoneLookUps(input, account)]
}

export function toCreateRequest(
  input: CreateInput,
  account: AccountContext,
  found: Readonly<Record<string, unknown>>,
): CreatePlan {
  const { user } = input
  const { config } = account
  const warnings: Warning[] = []
  const derived = (key: string, pointer: string, detail: string) => {
    if (remoteText(input, key) === undefined) warnings.push({ code: 'derived', pointer, detail })
  }
  const unsent = (pointer: string, detail: string) => warnings.push({ code: 'not_sent', pointer, detail })

  const email = primaryEmail(user)
  const username = usernameOf(input, account)
  if (!user.username)
    derived(
      'Username',
      '/username',
      'Username was taken from the primary e-mail. It must be unique over all Salesforce orgs.',
    )
  warnings.push(...warnOfFurtherEmails(user, 'Salesforce'))
  const alias = username?.split('@')[0]?.slice(0, MAX_LENGTHS.Alias)
  derived('Alias', '/remote_data/Alias', `Alias was cut from the username: ${alias ?? ''}.`)

  const [language] = user.languages ?? []
  const languageLocaleKey = (language && toLanguageLocaleKey(language)) ?? firstText(config.language) ?? DEFAULT_LOCALE
  const locale = (language && toLocaleSidKey(language)) ?? firstText(config.locale) ?? DEFAULT_LOCALE
  if (!language) derived('LanguageLocaleKey', '/languages', `Without a language, ${languageLocaleKey} was sent.`)
  else if (!isSameLanguage(language, languageLocaleKey))
    derived('LanguageLocaleKey', '/languages/0', `Salesforce's language for ${language} is ${languageLocaleKey}.`)
  derived(
    'LocaleSidKey',
    '/remote_data/LocaleSidKey',
    `The locale ${locale} was ${language && toLocaleSidKey(language) ? 'taken from the language' : 'sent, as the default'}.`,
  )
  user.languages?.slice(1).forEach((_, index) => unsent(`/languages/${index + 1}`, 'Salesforce keeps one language.'))

  const { phones, mobile, fax, phone } = phonesOf(input)
  phones.forEach((entry) => {
    if (entry !== mobile && entry !== fax && entry !== phone)
      unsent(
        `/phones/${entry.index}`,
        'Salesforce keeps one mobile, one fax and one other number; this one was left out.',
      )
    else if (entry !== phone && entry.extension)
      unsent(`/phones/${entry.index}/extension`, 'Salesforce keeps the extension of the main number only.')
  })

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
  return {
    request: {
      method: 'POST',
      path: `${dataPath(account)}/sobjects/User`,
      query: input.remoteQuery,
      body: withRemoteData(body, input),
    },
    warnings,
  }
}

/** Readable in every org by whoever may create users. */
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
