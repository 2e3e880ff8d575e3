import type { InputProblem } from '@muster/contracts/problem'
import { primaryEmail, type UnifiedUserInputField } from '@muster/contracts/unified-user'
import { primaryEmailPointer } from '../mapping/emails.ts'
import { firstText } from '../mapping/first-text.ts'
import type { AccountContext, CreateInput } from '../provider.ts'
import { remoteText, repeatedFields, toNaturalKey } from './identity.ts'
import { toLanguageLocaleKey } from './languages.ts'
import { phonesOf } from './phones.ts'
import { validateRoles } from './roles.ts'

/** Object reference of User: longest values. */
export const MAX_LENGTHS = {
  Username: 80,
  Email: 128,
  FirstName: 40,
  LastName: 80,
  Alias: 8,
  Phone: 40,
  MobilePhone: 40,
  Fax: 40,
  Extension: 40,
} as const

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
  const tooLong = (field: keyof typeof MAX_LENGTHS, value: string | undefined, pointer: string) => {
    if (value !== undefined && value.length > MAX_LENGTHS[field])
      problems.push({
        pointer,
        code: 'too_long',
        detail: `Salesforce takes at most ${MAX_LENGTHS[field]} characters for ${field}.`,
      })
  }
  for (const name of repeatedFields(input))
    problems.push({
      pointer: `/remote_data/${name}`,
      code: 'ambiguous',
      detail: 'Salesforce takes names of fields in any case, so this one is given twice.',
    })
  const { sent: username, pointer: usernamePointer } = toNaturalKey(input, account)
  // Several @ are allowed, as in ada@acme.com@portal.example.
  if (username !== '' && !/^[^\s@]\S*@[^\s@]+$/.test(username)) {
    problems.push({
      pointer: usernamePointer,
      code: 'invalid_value',
      detail: 'A Salesforce username has the form of an e-mail address, such as ada@example.com.acme.',
    })
  }
  tooLong('Username', username, usernamePointer)
  tooLong('Email', primaryEmail(user), primaryEmailPointer(input))
  tooLong('FirstName', user.first_name, '/first_name')
  tooLong('LastName', user.last_name, '/last_name')
  tooLong('Alias', remoteText(input, 'Alias'), '/remote_data/Alias')
  const { mobile, fax, phone } = phonesOf(input)
  for (const entry of [mobile, fax, phone]) if (entry) tooLong('Phone', entry.number, `/phones/${entry.index}/number`)
  const language = user.languages?.[0]
  if (
    language !== undefined &&
    !remoteText(input, 'LanguageLocaleKey') &&
    toLanguageLocaleKey(language) === undefined
  ) {
    problems.push({ pointer: '/languages/0', code: 'invalid_value', detail: 'Not a BCP 47 language tag.' })
  }
  if (user.status === 'deleted' || user.status === 'invited')
    problems.push({
      pointer: '/status',
      code: 'not_supported',
      detail: 'A Salesforce user is created active or inactive.',
    })
  return problems
}
