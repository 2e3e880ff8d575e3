import { isJsonObject } from '@muster/contracts/json'
import type { InputProblem } from '@muster/contracts/problem'
import type { UnifiedUserInputField } from '@muster/contracts/unified-user'
import { firstText } from '../mapping/first-text.ts'
import type { CreateInput } from '../provider.ts'
import { findAddress } from './identity.ts'

/** Discovery document, UserName. The limits page says 40: what lies between is left to Google. */
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

function checkPassword(input: CreateInput): InputProblem | undefined {
  const { user } = input
  const own = user.remote_data?.password
  const [value, pointer] = typeof own === 'string' ? [own, '/remote_data/password'] : [user.password, '/password']
  if (value === undefined) return undefined
  const hashFunction = user.remote_data?.hashFunction
  if (typeof hashFunction !== 'string') {
    return PASSWORD.test(value)
      ? undefined
      : { pointer, code: 'invalid_value', detail: 'Google Workspace takes passwords of 8 to 100 ASCII characters.' }
  }
  const digest = digests[hashFunction.toUpperCase()]
  if (!digest)
    return {
      pointer: '/remote_data/hashFunction',
      code: 'invalid_value',
      detail: 'Google Workspace knows MD5, SHA-1 and crypt.',
    }
  // Google would store a plain password as if it were a digest, without a word, and nobody could sign in.
  if (!digest.test(value))
    return {
      pointer,
      code: 'invalid_value',
      detail: `With hashFunction ${hashFunction} the password must be its digest.`,
    }
  const rounds = /^\$[56]\$rounds=(\d+)\$/.exec(value)?.[1]
  if (rounds !== undefined && Number(rounds) > MAX_CRYPT_ROUNDS)
    return { pointer, code: 'invalid_value', detail: `Google Workspace takes at most ${MAX_CRYPT_ROUNDS} rounds.` }
  return undefined
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
  const { user } = input
  const remote = user.remote_data ?? {}
  const problems: (InputProblem | undefined)[] = [checkAddress(input), checkPassword(input)]
  const tooLong = (value: string | undefined, pointer: string) => {
    if (value !== undefined && value.length > MAX_NAME_LENGTH)
      problems.push({
        pointer,
        code: 'too_long',
        detail: `Google Workspace takes at most ${MAX_NAME_LENGTH} characters here.`,
      })
  }
  tooLong(user.first_name, '/first_name')
  tooLong(user.last_name, '/last_name')
  if (user.status === 'deleted')
    problems.push({ pointer: '/status', code: 'not_supported', detail: 'A user cannot be created as deleted.' })
  if (user.status === 'invited')
    problems.push({
      pointer: '/status',
      code: 'not_supported',
      detail:
        'Google Workspace invites only owners of an unmanaged account: give remote_query[resolveConflictAccount]=true.',
    })
  if (
    remote.orgUnitPath !== undefined &&
    !(typeof remote.orgUnitPath === 'string' && remote.orgUnitPath.startsWith('/'))
  ) {
    problems.push({
      pointer: '/remote_data/orgUnitPath',
      code: 'invalid_value',
      detail: 'An orgUnitPath begins with /.',
    })
  }
  if (
    remote.recoveryPhone !== undefined &&
    !(typeof remote.recoveryPhone === 'string' && remote.recoveryPhone.startsWith('+'))
  ) {
    problems.push({
      pointer: '/remote_data/recoveryPhone',
      code: 'invalid_value',
      detail: 'A recoveryPhone has the E.164 form and begins with +.',
    })
  }
  return problems.filter((problem) => problem !== undefined)
}
