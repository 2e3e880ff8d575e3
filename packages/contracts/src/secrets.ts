import { isJsonObject, type JsonObject, type JsonValue } from './json.ts'

/** Names under which providers take secrets: password, NewPassword, imported_password_hash, answer (Okta's recovery question), api_key, token … */
const SECRET_NAME = /pass(word|wd|code|phrase)|secret|token|api[_-]?key|private[_-]?key|credential(?!s$)|^answer$|^hash$|^salt$/i
/** Names that look alike and hold a rule or a date, never a secret. */
const HARMLESS_NAME = /^(change_?password|require_?password|password_?(validity|set_at|changed|expire|expired)|bypass|lastpasswordchange)/i

export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name) && !HARMLESS_NAME.test(name)
}

export const MASK = '[secret]'

/** A copy in which every value under a secret's name is masked, for eyes and logs. Booleans and null tell nothing and stay. */
export function maskSecrets<T extends JsonValue>(value: T): T {
  if (Array.isArray(value)) return value.map((item) => maskSecrets(item)) as unknown as T
  if (!isJsonObject(value)) return value
  const masked: JsonObject = {}
  for (const [key, inner] of Object.entries(value)) masked[key] = isSecretName(key) ? maskAll(inner) : maskSecrets(inner)
  return masked as T
}

function maskAll(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(maskAll)
  if (isJsonObject(value)) return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, maskAll(inner)]))
  return typeof value === 'string' || typeof value === 'number' ? MASK : value
}

/** Parts a value into what may be kept and what must be erased; `mergeJson(kept, secrets)` gives it back. Secrets inside arrays take the whole array with them. */
export function splitSecrets(value: JsonObject): { kept: JsonObject; secrets: JsonObject } {
  const kept: JsonObject = {}
  const secrets: JsonObject = {}
  for (const [key, inner] of Object.entries(value)) {
    if (isSecretName(key) || (Array.isArray(inner) && JSON.stringify(maskSecrets(inner)) !== JSON.stringify(inner))) secrets[key] = inner
    else if (isJsonObject(inner)) {
      const parts = splitSecrets(inner)
      kept[key] = parts.kept
      if (Object.keys(parts.secrets).length > 0) secrets[key] = parts.secrets
    } else kept[key] = inner
  }
  return { kept, secrets }
}

/** Every string in it, to blot out wherever it turns up again. Short ones would blot out half the text, and are no secrets. */
export function secretStrings(value: JsonValue): string[] {
  if (Array.isArray(value)) return value.flatMap(secretStrings)
  if (isJsonObject(value)) return Object.values(value).flatMap(secretStrings)
  return typeof value === 'string' && value.length >= 4 ? [value] : []
}

/** A copy of anything JSON-like in which none of `secrets` is to be found, for provider bodies that echo what was sent. */
export function blotOut(value: unknown, secrets: readonly string[]): unknown {
  if (secrets.length === 0) return value
  if (typeof value === 'string') return secrets.reduce((text, secret) => text.replaceAll(secret, MASK), value)
  if (Array.isArray(value)) return value.map((item) => blotOut(item, secrets))
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [String(blotOut(key, secrets)), blotOut(inner, secrets)]))
  }
  return value
}
