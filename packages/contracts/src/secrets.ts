import { isJsonObject, type JsonObject, type JsonValue } from './json.ts'
import { CUT, MASK, type KnownSecrets } from './known-secrets.ts'

/** Providers' names of secrets: password, NewPassword, imported_password_hash, answer (Okta's recovery question) … */
const SECRET_NAME =
  /pass(word|wd|code|phrase)|secret|token|api[_-]?key|private[_-]?key|credential(?!s$)|^answer$|^hash$|^salt$/i
/** Similar names that hold a rule or a date, never a secret. */
const HARMLESS_NAME =
  /^(change_?password|require_?password|password_?(validity|set_at|changed|expire|expired)|bypass|lastpasswordchange)/i

export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name) && !HARMLESS_NAME.test(name)
}

/** A copy, for display, in which every value under the name of a secret is masked. Booleans and null stay. */
export function maskSecrets(value: JsonObject): JsonObject
export function maskSecrets(value: JsonValue): JsonValue
export function maskSecrets(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map((item) => maskSecrets(item))
  if (!isJsonObject(value)) return value
  // fromEntries, here and below: assigning to "__proto__" would change the prototype instead of adding a key.
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, isSecretName(key) ? maskAll(inner) : maskSecrets(inner)]),
  )
}

function maskAll(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(maskAll)
  if (isJsonObject(value)) return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, maskAll(inner)]))
  return typeof value === 'string' || typeof value === 'number' ? MASK : value
}

/**
 * Splits a value into what may be kept and what must be erased; `mergeJson(kept, secrets)` restores it. An array that
 * holds a secret is erased whole.
 */
export function splitSecrets(value: JsonObject): { kept: JsonObject; secrets: JsonObject } {
  const kept: [string, JsonValue][] = []
  const secrets: [string, JsonValue][] = []
  for (const [key, inner] of Object.entries(value)) {
    if (isSecretName(key) || (Array.isArray(inner) && holdsSecret(inner))) secrets.push([key, inner])
    else if (isJsonObject(inner)) {
      const parts = splitSecrets(inner)
      kept.push([key, parts.kept])
      if (Object.keys(parts.secrets).length > 0) secrets.push([key, parts.secrets])
    } else kept.push([key, inner])
  }
  return { kept: Object.fromEntries(kept), secrets: Object.fromEntries(secrets) }
}

function holdsSecret(value: JsonValue, isNamed = false): boolean {
  if (Array.isArray(value)) return value.some((item) => holdsSecret(item, isNamed))
  if (isJsonObject(value))
    return Object.entries(value).some(([key, inner]) => holdsSecret(inner, isNamed || isSecretName(key)))
  return isNamed && (typeof value === 'string' || typeof value === 'number')
}

/** Its strings and numbers, to mask where they appear. Short ones are no secrets, and would mask half a text. */
export function secretStrings(value: JsonValue): string[] {
  if (Array.isArray(value)) return value.flatMap(secretStrings)
  if (isJsonObject(value)) return Object.values(value).flatMap(secretStrings)
  return (typeof value === 'string' || typeof value === 'number') && String(value).length >= 4 ? [String(value)] : []
}

/** The secrets of an account's credentials; client ids and user names are none. */
export const credentialSecrets = (credentials: JsonObject): string[] => secretStrings(splitSecrets(credentials).secrets)

/** Deeper than any provider's answer; a hostile one nests until a recursion overflows, here or in JSON.stringify. */
const MAX_DEPTH = 100
/** More than all texts of any user; searching a hostile answer must not cost more. */
const MAX_CHARACTERS = 256 * 1024

/**
 * A copy of a JSON-like value without any of `secrets`. Everything from outside passes through it before it is stored,
 * shown or logged: bodies, messages, ids of requests, replies.
 */
export function blotOut<T>(value: T, secrets: KnownSecrets): T {
  const copy = boundedCopy(value)
  // Usually there is none, and searching the whole once is cheaper than searching each text.
  const text = JSON.stringify(copy) ?? ''
  return (text.includes(CUT) || secrets.isIn(text) ? mapTexts(copy, (inner) => secrets.blot(inner)) : copy) as T
}

function boundedCopy(value: unknown): unknown {
  let left = MAX_CHARACTERS
  const bound = (text: string): string => {
    if (text.length > left) return '[too long]'
    left -= text.length
    return text
  }
  const copy = (inner: unknown, depth: number): unknown => {
    if (typeof inner === 'string') return bound(inner)
    if (typeof inner !== 'object' || inner === null) return inner
    if (depth >= MAX_DEPTH) return '[too deep]'
    if (Array.isArray(inner)) return inner.map((item) => copy(item, depth + 1))
    return Object.fromEntries(Object.entries(inner).map(([key, item]) => [bound(key), copy(item, depth + 1)]))
  }
  return copy(value, 0)
}

function mapTexts(value: unknown, map: (text: string) => string): unknown {
  if (typeof value === 'string') return map(value)
  if (typeof value === 'number') return map(String(value)) === String(value) ? value : MASK
  if (Array.isArray(value)) return value.map((item) => mapTexts(item, map))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [map(key), mapTexts(item, map)]))
}

/** An id of a request, as a provider gives it; undefined where it does not look like one. */
export function providerIdOf(text: string | undefined, secrets: KnownSecrets): string | undefined {
  return text !== undefined && PROVIDER_ID.test(text) && blotOut(text, secrets) === text ? text : undefined
}

/** UUIDs, hexadecimal, base64 and vendors' separators: one short word. */
const PROVIDER_ID = /^[\w.:~=+/@-]{1,128}$/
