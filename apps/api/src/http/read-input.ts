import type { InputProblem } from '@muster/contracts/problem'
import type { Route } from '@muster/contracts/route'
import type { Request } from 'express'
import { checkValue } from '@muster/contracts/untrusted-value'
import { parseQuery } from './query.ts'
import { hasBody, readBody } from './read-body.ts'
import { RequestError } from './request-error.ts'
import { validate } from './validate.ts'

export interface RequestInput {
  query: unknown
  headers: unknown
  body: unknown
}

/**
 * A request as its route's schemas see it, with everything that is wrong with it. `raw` is what was sent, where it
 * could be read safely.
 */
export async function readInput(
  route: Route,
  request: Request,
): Promise<{ input: RequestInput; raw: { query: Record<string, unknown>; body: unknown }; problems: InputProblem[] }> {
  const problems: InputProblem[] = []
  const rawQuery = parseQuery(request.url.split('?').slice(1).join('?'))
  const query = validateQuery(route, rawQuery.value)
  // Of a query that cannot be read, nothing can be said to be missing.
  problems.push(...(rawQuery.problems.length > 0 ? rawQuery.problems : query.problems))
  const headers = route.headers
    ? validate(route.headers, request.headers, 'header')
    : { value: undefined, problems: [] }
  problems.push(...headers.problems)

  let rawBody: unknown
  let body: unknown
  if (route.body && (hasBody(request) || !route.isBodyOptional)) {
    try {
      rawBody = await readBody(request)
    } catch (error) {
      // What else is wrong is worth telling, even when the body could not be read.
      throw error instanceof RequestError && problems.length > 0 ? error.with(problems) : error
    }
    const unsafe = checkValue(rawBody, 'body')
    const checked = unsafe.length > 0 ? { value: undefined, problems: unsafe } : validate(route.body, rawBody, 'body')
    problems.push(...checked.problems)
    body = checked.value
    if (unsafe.length > 0) rawBody = undefined
  }
  return {
    input: { query: query.value, headers: headers.value, body },
    raw: { query: rawQuery.value, body: rawBody },
    problems,
  }
}

function validateQuery(route: Route, value: Record<string, unknown>): { value: unknown; problems: InputProblem[] } {
  if (route.query) return validate(route.query, value, 'query')
  return {
    value: undefined,
    problems: Object.keys(value).map((name) => ({
      pointer: `?${name}`,
      code: 'unknown_parameter',
      detail: 'There is no such parameter.',
    })),
  }
}
