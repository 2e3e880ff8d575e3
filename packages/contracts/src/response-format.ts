import { presentTimeZone } from './time-zone-names.ts'
import type { UnifiedUser } from './unified-user.ts'

export const responseFormats = ['unified', 'raw', 'normalized'] as const
export type ResponseFormat = (typeof responseFormats)[number]

/** What is stored of a success, whatever format was asked for: formats are views, chosen when it is read. */
export interface StoredResult {
  user: UnifiedUser
  /** The provider's body as it came. */
  remoteData: unknown
}

export interface ResponseView {
  format: ResponseFormat
  ignoreRemoteData: boolean
  excludeFields: readonly string[]
}

/** Every unified field of the answer, with what stands for "the provider gives none". */
const emptyUser: Record<keyof UnifiedUser, null | []> = {
  id: null,
  external_id: null,
  first_name: null,
  last_name: null,
  title: null,
  name: null,
  username: null,
  emails: [],
  phones: [],
  status: null,
  is_email_verified: null,
  is_2fa_enabled: null,
  roles: [],
  organizations: [],
  user_type: null,
  licenses: [],
  groups: [],
  workspaces: [],
  avatar: null,
  timezone: null,
  languages: [],
  bio: null,
  created_at: null,
  updated_at: null,
  last_active_at: null,
  last_login_at: null,
  status_changed_at: null,
  activated_at: null,
  urls: [],
}

export const unifiedUserFields = Object.keys(emptyUser) as (keyof UnifiedUser)[]

export function toResponseView(result: StoredResult, view: ResponseView): unknown {
  if (view.format === 'raw') return exclude(result.remoteData, view.excludeFields)
  const user = view.format === 'normalized' ? normalizeUser(result.user) : result.user
  return exclude(view.ignoreRemoteData ? user : { ...user, remote_data: result.remoteData }, view.excludeFields)
}

function exclude(value: unknown, fields: readonly string[]): unknown {
  if (fields.length === 0 || typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).filter(([key]) => !fields.includes(key)))
}

/**
 * Every field present, values in one form: UTC ISO 8601, IANA zones, BCP 47 languages, e-mail domains in lower case.
 * What cannot be brought to it stays.
 */
export function normalizeUser(user: UnifiedUser): Record<string, unknown> {
  const full: Record<string, unknown> = { ...emptyUser, identifiers: null }
  for (const [key, value] of Object.entries(user))
    if (value !== undefined && value !== null) full[key] = key.endsWith('_at') ? toUtc(value) : value
  full.emails =
    user.emails?.map((entry) => ({
      email: lowerDomain(entry.email),
      type: entry.type ?? null,
      is_primary: entry.is_primary ?? false,
    })) ?? []
  full.phones =
    user.phones?.map((entry) => ({
      number: entry.number,
      extension: entry.extension ?? null,
      type: entry.type ?? null,
    })) ?? []
  full.roles =
    user.roles?.map((entry) => ({
      id: entry.id ?? null,
      name: entry.name ?? null,
      group: entry.group ?? null,
      organization: entry.organization ?? null,
      workspace: entry.workspace ?? null,
    })) ?? []
  full.groups =
    user.groups?.map((entry) => ({
      id: entry.id ?? null,
      name: entry.name ?? null,
      organization: entry.organization ?? null,
    })) ?? []
  full.licenses =
    user.licenses?.map((entry) => ({
      id: entry.id ?? null,
      name: entry.name ?? null,
      organization: entry.organization ?? null,
      last_active_at: toUtc(entry.last_active_at ?? null),
    })) ?? []
  for (const key of ['organizations', 'workspaces'] as const)
    full[key] = user[key]?.map((entry) => ({ id: entry.id ?? null, name: entry.name ?? null })) ?? []
  full.urls = user.urls?.map((entry) => ({ url: entry.url, type: entry.type ?? null })) ?? []
  full.languages = user.languages?.map(toLanguageTag) ?? []
  full.timezone = user.timezone ? toTimeZone(user.timezone) : null
  return full
}

function lowerDomain(email: string): string {
  const at = email.lastIndexOf('@')
  if (at === -1) return email
  return email.slice(0, at) + email.slice(at).toLowerCase()
}

/**
 * A date, or a moment with its offset. Date.parse alone takes "never 1" for a day in 2001, and reads a time without
 * offset in this machine's zone.
 */
const ISO_8601 = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)? ?(?:Z|[+-]\d{2}:?\d{2}))?$/i

/** Salesforce writes offsets without a colon, ActiveCampaign in local time with an offset. */
export function toUtc(value: unknown): unknown {
  if (typeof value !== 'string' || !ISO_8601.test(value)) return value
  const at = Date.parse(value.replace(/([+-]\d{2})(\d{2})$/, '$1:$2'))
  return Number.isNaN(at) ? value : new Date(at).toISOString()
}

export function toLanguageTag(value: string): string {
  try {
    return Intl.getCanonicalLocales(value.replaceAll('_', '-'))[0] ?? value
  } catch {
    return value
  }
}

export function toTimeZone(value: string): string {
  try {
    const zone = new Intl.DateTimeFormat('en', { timeZone: value }).resolvedOptions().timeZone
    // Shown by its short name.
    return zone === 'UTC' ? zone : presentTimeZone(zone)
  } catch {
    return value
  }
}
