import { isJsonObject, type JsonObject, type JsonValue } from './json.ts'

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

export const MASK = '[secret]'

/**
 * A copy in which every value under a secret's name is masked, for eyes and logs. Booleans and null tell nothing and
 * stay.
 */
export function maskSecrets<T extends JsonValue>(value: T): T {
  if (Array.isArray(value)) return value.map((item) => maskSecrets(item)) as unknown as T
  if (!isJsonObject(value)) return value
  // fromEntries, here and below, since assigning to "__proto__" would change the prototype instead of adding a key.
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, isSecretName(key) ? maskAll(inner) : maskSecrets(inner)]),
  ) as T
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

/** Deeper than any provider's answer; a hostile one nests until a recursion dies, here or in JSON.stringify. */
const MAX_DEPTH = 100

/**
 * A copy of anything JSON-like in which none of `secrets` is to be found, for provider bodies that echo what was sent.
 */
export function blotOut(value: unknown, secrets: readonly string[]): unknown {
  // The longest first, and all in one pass: a secret inside another must not save the rest of it.
  const spellings = [...new Set(secrets.flatMap(spellingsOf))].filter(Boolean).sort((a, b) => b.length - a.length)
  if (spellings.length === 0) return value
  const pattern = new RegExp(spellings.map((text) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')).join('|'), 'g')
  const blot = (text: string): string => text.replace(pattern, MASK)
  const walk = (inner: unknown, depth: number): unknown => {
    if (typeof inner === 'string') return blot(inner)
    if (typeof inner === 'number') return spellings.includes(String(inner)) ? MASK : inner
    if (typeof inner !== 'object' || inner === null) return inner
    if (depth >= MAX_DEPTH) return '[too deep]'
    if (Array.isArray(inner)) return inner.map((item) => walk(item, depth + 1))
    return Object.fromEntries(Object.entries(inner).map(([key, item]) => [blot(key), walk(item, depth + 1)]))
  }
  return walk(value, 0)
}

/**
 * As it was sent, and as it stands in JSON, in a URL or form, and in HTML: error pages quote requests in any of them.
 */
function spellingsOf(secret: string): string[] {
  // Unpaired surrogates cannot be encoded; they arrive as the replacement character.
  const wellFormed = secret.replace(/\p{Surrogate}/gu, '\ufffd')
  const html = secret.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(wellFormed),
    new URLSearchParams({ '': secret }).toString().slice(1),
    html,
    html.replaceAll("'", '&#39;'),
    html.replaceAll("'", '&#x27;'),
  ]
}
