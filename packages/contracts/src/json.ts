import { z } from 'zod'

export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue }
export type JsonObject = { [key: string]: JsonValue }

/**
 * An object handed through untouched. Depth and dangerous keys are checked once, for whole bodies, before any schema
 * runs.
 */
export const jsonObjectSchema = z.record(z.string(), z.json()) as unknown as z.ZodType<JsonObject>

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Own enumerable keys of `patch` win; objects merge, everything else (arrays too) is replaced. Neither input changes.
 */
export function mergeJson(base: JsonObject, patch: JsonObject): JsonObject {
  const merged: JsonObject = { ...base }
  for (const [key, value] of Object.entries(patch)) {
    const before = Object.hasOwn(merged, key) ? merged[key] : undefined
    // defineProperty, since assigning to "__proto__" would change the prototype instead of adding a key.
    Object.defineProperty(merged, key, {
      value: isJsonObject(before) && isJsonObject(value) ? mergeJson(before, value) : value,
      enumerable: true,
      configurable: true,
      writable: true,
    })
  }
  return merged
}
