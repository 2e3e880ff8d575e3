import type { InputProblem } from '@muster/contracts/problem'
import { z } from 'zod'
import { unreadableAnswer } from '../engine/classify.ts'
import { firstText } from '../mapping/first-text.ts'
import {
  UnresolvedInputError,
  type AccountContext,
  type CreateInput,
  type LookUp,
  type RemoteResponse,
} from '../provider.ts'
import { quote, remoteText, toQuery, toRecords } from './user-object.ts'

/**
 * `roles[]` holds two things. A profile (mandatory; rights and licence) and a role (optional; the place in the sharing
 * hierarchy).
 * Their ids begin with 00e and 00E: the letter's case is all that differs. Ids have 15 characters, or 18.
 */
type Kind = 'profile' | 'role'
const idKinds: Readonly<Record<string, Kind>> = { '00e': 'profile', '00E': 'role' }
const isId = (text: string): boolean => /^[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?$/.test(text)
const kindOf = (text: string): Kind | undefined => (isId(text) ? idKinds[text.slice(0, 3)] : undefined)

interface GivenRoles {
  profileId?: string
  roleId?: string
  /** What was given by name, with its place in the input. */
  names: { name: string; pointer: string }[]
  /** The account's default profile, where the request gives none by id. */
  fallback?: string
}

/** remote_data names ids only, and wins. */
function readRoles(input: CreateInput, account: AccountContext): GivenRoles {
  const roles = (input.user.roles ?? []).map((role, index) => ({ role, pointer: `/roles/${index}` }))
  const idOf = (kind: Kind) => roles.find(({ role }) => role.id !== undefined && kindOf(role.id) === kind)?.role.id
  const profileId = remoteText(input, 'ProfileId') ?? idOf('profile')
  const roleId = remoteText(input, 'UserRoleId') ?? idOf('role')
  const names = roles.flatMap(({ role, pointer }) =>
    !role.id && role.name ? [{ name: role.name, pointer: `${pointer}/name` }] : [],
  )
  const fallback = firstText(account.config.profile)
  return {
    ...(profileId && { profileId }),
    ...(roleId && { roleId }),
    names,
    ...(fallback && !profileId && { fallback }),
  }
}

export function validateRoles(input: CreateInput, account: AccountContext): InputProblem[] {
  const problems: InputProblem[] = []
  const seen = new Set<Kind>()
  for (const [index, role] of (input.user.roles ?? []).entries()) {
    const pointer = `/roles/${index}`
    if (!role.id) {
      if (!role.name)
        problems.push({ pointer, code: 'required', detail: 'Give the id or the name of a Salesforce profile or role.' })
      continue
    }
    const kind = kindOf(role.id)
    if (!kind)
      problems.push({
        pointer: `${pointer}/id`,
        code: 'invalid_value',
        detail: 'The id is neither of a profile (00e…) nor of a role (00E…).',
      })
    else if (seen.has(kind))
      problems.push({ pointer: `${pointer}/id`, code: 'too_many', detail: `A Salesforce user has one ${kind}.` })
    else seen.add(kind)
  }
  const { profileId, roleId, names, fallback } = readRoles(input, account)
  const places = (profileId ? 0 : 1) + (roleId ? 0 : 1)
  if (names.length > places)
    problems.push({
      pointer: names[places]?.pointer ?? '/roles',
      code: 'too_many',
      detail: 'A Salesforce user has one profile and at most one role.',
    })
  if (!profileId && !fallback && names.length === 0) {
    problems.push({
      pointer: '/roles',
      code: 'required',
      detail: 'Salesforce needs a profile: give roles[].id (00e…) or the name of a profile.',
    })
  }
  return problems
}

interface Row {
  id: string
  names: string[]
  /** For people who must choose. */
  label: string
}

/** What is asked, and what a dry run takes for the answer. */
function questionsOf(given: GivenRoles) {
  const names = given.names.map(({ name }) => name)
  const fallback = given.fallback && kindOf(given.fallback) !== 'profile' ? [given.fallback] : []
  const profiles = given.profileId ? [] : [...new Set([...names, ...fallback])]
  // A single name without any other profile must be the profile: reading roles needs a right of its own, so they are
  //   left alone.
  const isRolePossible =
    !given.roleId && (given.profileId !== undefined || given.fallback !== undefined || names.length > 1)
  const roles = isRolePossible ? [...new Set(names)] : []
  return { profiles, roles, assumedProfiles: profiles.slice(0, names.length > 1 ? 1 : undefined) }
}

const profileKey = (names: readonly string[]): string => `profiles ${JSON.stringify(names)}`
const roleKey = (names: readonly string[]): string => `roles ${JSON.stringify(names)}`

const profileSchema = z.looseObject({
  Id: z.string(),
  Name: z.string(),
  UserType: z.string().nullish(),
  UserLicense: z.looseObject({ Name: z.string().nullish() }).nullish(),
})
const roleSchema = z.looseObject({ Id: z.string(), Name: z.string(), DeveloperName: z.string().nullish() })

function toProfileRow(record: unknown): Row | undefined {
  const { data } = profileSchema.safeParse(record)
  return (
    data && {
      id: data.Id,
      names: [data.Name],
      label: `profile ${data.Id} "${data.Name}"${data.UserLicense?.Name ? ` (licence ${data.UserLicense.Name})` : ''}`,
    }
  )
}

function toRoleRow(record: unknown): Row | undefined {
  const { data } = roleSchema.safeParse(record)
  return (
    data && {
      id: data.Id,
      names: [data.Name, ...(data.DeveloperName ? [data.DeveloperName] : [])],
      label: `role ${data.Id} "${data.Name}"${data.DeveloperName ? ` (${data.DeveloperName})` : ''}`,
    }
  )
}

function readRows(response: RemoteResponse, toRow: (record: unknown) => Row | undefined): Row[] {
  const rows = toRecords(response.body)?.map(toRow)
  if (!rows?.every((row) => row !== undefined)) throw unreadableAnswer(response)
  return rows
}

export function roleLookUps(input: CreateInput, account: AccountContext): LookUp[] {
  const { profiles, roles, assumedProfiles } = questionsOf(readRoles(input, account))
  const list = (names: readonly string[]): string => `(${names.map(quote).join(',')})`
  const assume = (kind: Kind, names: readonly string[]): Row[] =>
    names.map((name) => ({ id: `<id of ${kind} "${name}">`, names: [name], label: name }))
  return [
    ...(profiles.length === 0
      ? []
      : [
          {
            key: profileKey(profiles),
            request: toQuery(
              account,
              `SELECT Id,Name,UserType,UserLicense.Name FROM Profile WHERE Name IN ${list(profiles)}`,
            ),
            placeholder: assume('profile', assumedProfiles),
            parse: (response) => readRows(response, toProfileRow),
          } satisfies LookUp,
        ]),
    ...(roles.length === 0
      ? []
      : [
          {
            key: roleKey(roles),
            request: toQuery(
              account,
              `SELECT Id,DeveloperName,Name FROM UserRole WHERE DeveloperName IN ${list(roles)} OR Name IN ${list(roles)}`,
            ),
            placeholder: assume('role', roles),
            parse: (response) => readRows(response, toRoleRow),
          } satisfies LookUp,
        ]),
  ]
}

/** SOQL compares text without regard to case. */
const fold = (text: string): string => text.toLowerCase()

function rowsNamed(found: unknown, name: string): Row[] {
  return Array.isArray(found)
    ? (found as Row[]).filter((row) => row.names.some((other) => fold(other) === fold(name)))
    : []
}

/** Throws `UnresolvedInputError` where a name means nothing, or more than one thing. */
export function resolveRoles(
  input: CreateInput,
  account: AccountContext,
  found: Readonly<Record<string, unknown>>,
): { profileId?: string; roleId?: string } {
  const given = readRoles(input, account)
  const asked = questionsOf(given)
  const profilesOf = (name: string) => rowsNamed(found[profileKey(asked.profiles)], name)
  const rolesOf = (name: string) => rowsNamed(found[roleKey(asked.roles)], name)
  const only = (rows: Row[], name: string, pointer: string): Row | undefined => {
    if (rows.length > 1)
      throw new UnresolvedInputError(
        pointer,
        `"${name}" means more than one thing in this Salesforce org: ${rows.map((row) => row.label).join(', ')}. Give the id.`,
      )
    return rows[0]
  }

  let { profileId, roleId } = given
  for (const { name, pointer } of given.names) {
    const profile = profileId ? undefined : only(profilesOf(name), name, pointer)
    if (profile) {
      profileId = profile.id
      continue
    }
    const candidates = roleId ? [] : rolesOf(name)
    // DeveloperName is unique, Name is not.
    const exact = candidates.filter((row) => fold(row.names.at(-1) ?? '') === fold(name))
    const role = only(exact.length === 1 ? exact : candidates, name, pointer)
    if (!role)
      throw new UnresolvedInputError(
        pointer,
        nothingNamed(name, profileId !== undefined && asked.profiles.length === 0, asked.roles.length > 0),
      )
    roleId = role.id
  }
  if (!profileId && given.fallback) {
    profileId =
      kindOf(given.fallback) === 'profile'
        ? given.fallback
        : only(profilesOf(given.fallback), given.fallback, '/roles')?.id
    if (!profileId)
      throw new UnresolvedInputError(
        '/roles',
        `The account's default profile "${given.fallback}" does not exist in this Salesforce org.`,
      )
  }
  if (!profileId)
    throw new UnresolvedInputError(
      '/roles',
      'Salesforce needs a profile: none of the roles is one. Give roles[].id (00e…) or the name of a profile.',
    )
  return { profileId, ...(roleId && { roleId }) }
}

function nothingNamed(name: string, isProfileGiven: boolean, isRoleAsked: boolean): string {
  const kinds = isProfileGiven ? 'role' : isRoleAsked ? 'profile or role' : 'profile'
  return `This Salesforce org shows no ${kinds} named "${name}". Names of standard profiles can depend on the org's language: ids are safer.`
}
