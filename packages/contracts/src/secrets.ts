import { isJsonObject, type JsonObject, type JsonValue } from './json.ts'
import { CUT, MASK, type KnownSecrets } from './known-secrets.ts'

/**
 * Names under which providers take secrets: password, NewPassword, imported_password_hash, answer (Okta's recovery
 * question), api_key, token …
 */
const SECRET_NAME =
  /pass(word|wd|code|phrase)|secret|token|api[_-]?key|private[_-]?key|credential(?!s$)|^answer$|^hash$|^salt$/i
/** Names that look alike and hold a rule or a date, never a secret. */
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
 * Parts a value into what may be kept and what must be erased; `mergeJson(kept, secrets)` gives it back. Secrets inside
 * arrays take the whole array with them.
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

/**
 * Every string and number in it, to blot out wherever it turns up again. Short ones would blot out half the text, and
 * are no secrets.
 */
export function secretStrings(value: JsonValue): string[] {
  if (Array.isArray(value)) return value.flatMap(secretStrings)
  if (isJsonObject(value)) return Object.values(value).flatMap(secretStrings)
  return (typeof value === 'string' || typeof value === 'number') && String(value).length >= 4 ? [String(value)] : []
}

/** The secrets among what an account logs in with; client ids and names of users are none. */
export const credentialSecrets = (credentials: JsonObject): string[] => secretStrings(splitSecrets(credentials).secrets)

/** Deeper than any provider's answer; a hostile one nests until a recursion dies, here or in JSON.stringify. */
const MAX_DEPTH = 100
/** More than any record of a user has, in all its texts; a hostile answer must not cost more than this to look at. */
const MAX_CHARACTERS = 256 * 1024

/**
 * A copy of anything JSON-like in which none of `secrets` is to be found. All that came from outside passes here before
 * it is stored, shown or logged: bodies, messages, ids of requests, replies.
 */
export function blotOut<T>(value: T, secrets: KnownSecrets): T {
  const copy = boundedCopy(value)
  // Almost always there is none, and one look over the whole is cheaper than one at each text.
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

/** An id that a provider gives, to be kept with what it is about; undefined where it has not the shape of one. */
export function providerIdOf(text: string | undefined, secrets: KnownSecrets): string | undefined {
  return text !== undefined && PROVIDER_ID.test(text) && blotOut(text, secrets) === text ? text : undefined
}

/** UUIDs, hexadecimal, base64 and what vendors put between: one word, and not a long one. */
const PROVIDER_ID = /^[\w.:~=+/@-]{1,128}$/
