import { validationFailed } from './answers.ts'
import type { VendorResponse } from '../framework/vendor.ts'
import type { OktaSettings } from './settings.ts'

const NO_LIMIT = Number.POSITIVE_INFINITY
/** Base attributes of Okta's default user schema with their documented greatest length, where there is one. */
const MAX_LENGTHS: Readonly<Record<string, number>> = {
  login: 100,
  email: 100,
  secondEmail: 100,
  firstName: 50,
  lastName: 50,
  mobilePhone: 100,
  primaryPhone: 100,
  streetAddress: 1024,
  city: 128,
  state: 128,
  zipCode: 50,
  countryCode: 2,
  postalAddress: 4096,
  middleName: NO_LIMIT,
  honorificPrefix: NO_LIMIT,
  honorificSuffix: NO_LIMIT,
  displayName: NO_LIMIT,
  nickName: NO_LIMIT,
  title: NO_LIMIT,
  userType: NO_LIMIT,
  organization: NO_LIMIT,
  division: NO_LIMIT,
  department: NO_LIMIT,
  costCenter: NO_LIMIT,
  employeeNumber: NO_LIMIT,
  managerId: NO_LIMIT,
  manager: NO_LIMIT,
  profileUrl: NO_LIMIT,
  preferredLanguage: NO_LIMIT,
  locale: NO_LIMIT,
  timezone: NO_LIMIT,
}
const REQUIRED = ['login', 'email', 'firstName', 'lastName']
const EMAIL = /^[^\s@]+@[^\s@]+\.[^\s@]+$/

/** Undefined when Okta would take the profile. */
export function checkProfile(
  profile: Readonly<Record<string, unknown>>,
  settings: OktaSettings,
): VendorResponse | undefined {
  // Recorded: one unknown name refuses the whole user, in the name of `newUser`.
  for (const name of Object.keys(profile)) {
    if (!Object.hasOwn(MAX_LENGTHS, name) && !settings.custom_attributes.includes(name)) {
      return validationFailed('newUser', [`Property name '${name}' is not defined in profile`])
    }
  }

  // The field and the shape of these causes are recorded; the texts marked * are not.
  const causes = new Map<string, string>()
  for (const name of REQUIRED) {
    const value = profile[name]
    if (value === undefined || value === null || value === '') causes.set(name, 'The field cannot be left blank') // *
  }
  for (const [name, value] of Object.entries(profile)) {
    const max = MAX_LENGTHS[name]
    if (causes.has(name) || value === null || value === '' || max === undefined) continue
    if (typeof value !== 'string')
      causes.set(name, 'Does not match required data type') // *
    else if (value.length > max)
      causes.set(name, `The field is too long. Maximum length is ${max}`) // *
    else if ((name === 'email' || name === 'secondEmail') && !EMAIL.test(value)) {
      causes.set(name, 'Does not match required pattern')
    } else if (name === 'login' && value.length < 5)
      causes.set(name, 'The field is too short. Minimum length is 5') // *
    else if (name === 'login' && settings.login_must_be_email && !EMAIL.test(value)) {
      causes.set(name, 'Username must be in the form of an email address') // *
    }
  }
  const [first] = causes.keys()
  if (first === undefined) return undefined
  return validationFailed(
    first,
    [...causes].map(([name, text]) => `${name}: ${text}`),
  )
}

/** Okta's default policy, in the words of its refusal. */
export function checkPassword(password: string, login: string): VendorResponse | undefined {
  // Parts of fewer than four characters do not count.
  const parts = login
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((part) => part.length >= 4)
  const isAccepted =
    password.length >= 8 &&
    password.length <= 72 &&
    /\p{Ll}/u.test(password) &&
    /\p{Lu}/u.test(password) &&
    /\d/.test(password) &&
    !parts.some((part) => password.toLowerCase().includes(part))
  if (isAccepted) return undefined
  return validationFailed('password', [
    'password: Password requirements were not met. Password requirements: at least 8 characters, a lowercase letter, ' +
      'an uppercase letter, a number, no parts of your username.',
  ])
}
