import { z } from 'zod'

export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue }
export type JsonObject = { [key: string]: JsonValue }

/** An object that is passed on untouched. Depth and dangerous keys are checked for whole bodies, before any schema. */
export const jsonObjectSchema: z.ZodType<JsonObject> = z.record(z.string(), z.json())

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Keys of `patch` win; objects merge, everything else (arrays too) is replaced. Neither input changes. */
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
