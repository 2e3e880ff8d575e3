import { z } from 'zod'

const EMAIL = /^[^\s@]+@[^\s@]+\.[^\s@]+$/

/** The body as an object; undefined when it is none. */
export function parseBody(body: string): Record<string, unknown> | undefined {
  try {
    return z.record(z.string(), z.unknown()).safeParse(JSON.parse(body)).data
  } catch {
    return undefined
  }
}

/**
 * Collects what is wrong with a body. That a missing parameter is 400, and that a wrong value is 400 with "must be one
 * of", is known from the vendor; the rest of the sentences is not.
 */
export function createComplaints() {
  const errors: string[] = []
  const quote = (values: readonly string[]) => values.map((value) => `'${value}'`).join(', ')
  return {
    errors,
    text(value: unknown, name: string, isRequired: boolean): void {
      if (value === undefined || value === null || value === '') {
        if (isRequired) errors.push(`'${name}' is required`)
      } else if (typeof value !== 'string') errors.push(`'${name}' must be a string`)
      else if (name === 'email' && !EMAIL.test(value)) errors.push(`'email' is invalid`)
    },
    oneOf(value: unknown, name: string, allowed: readonly string[], isRequired: boolean): void {
      if (value === undefined) {
        if (isRequired) errors.push(`'${name}' is required`)
      } else if (typeof value !== 'string' || !allowed.includes(value))
        errors.push(`'${name}' must be one of: ${quote(allowed)}`)
    },
    /** The list's objects; anything else in it is complained of. */
    list(value: unknown, name: string): Record<string, unknown>[] {
      if (value === undefined || value === null) return []
      const parsed = z.array(z.record(z.string(), z.unknown())).safeParse(value)
      if (!parsed.success) errors.push(`'${name}' must be an array of objects`)
      return parsed.data ?? []
    },
  }
}
