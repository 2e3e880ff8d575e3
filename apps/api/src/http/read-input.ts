import type { InputProblem } from '@muster/contracts/problem'
import type { Route } from '@muster/contracts/route'
import { checkValue } from '@muster/contracts/untrusted-value'
import type { Request } from 'express'
import type { AnyInput, RefusedRequest } from './endpoint.ts'
import { parseQuery } from './query.ts'
import { hasBody, readBody } from './read-body.ts'
import { notFound, RequestError } from './request-error.ts'
import { validate } from './validate.ts'

type Raw = RefusedRequest['raw']
interface Part {
  value: unknown
  problems: InputProblem[]
}
const NOTHING: Part = { value: undefined, problems: [] }

/**
 * A request as the schemas of its route see it, with everything that is wrong with it. `raw` is what was sent, where it
 * could be read safely.
 */
export async function readInput(
  route: Route,
  request: Request,
): Promise<{ input: AnyInput; raw: Raw; problems: InputProblem[] }> {
  const params = readParams(route, request)
  const { raw: rawQuery, ...query } = readQuery(route, request)
  const headers = route.headers ? validate(route.headers, request.headers, 'header') : NOTHING
  const before = [...query.problems, ...headers.problems]
  const { raw: rawBody, ...body } = await readBodyPart(route, request, before)
  return {
    input: { params, query: query.value, headers: headers.value, body: body.value },
    raw: { query: rawQuery, body: rawBody },
    problems: [...before, ...body.problems],
  }
}

/** A malformed id is answered like an unknown one. */
function readParams(route: Route, request: Request): unknown {
  const { value, problems } = route.params ? validate(route.params, request.params, 'path') : NOTHING
  if (problems.length > 0) throw notFound(route.noun)
  return value
}

function readQuery(route: Route, request: Request): Part & { raw: Raw['query'] } {
  const { value: raw, problems } = parseQuery(request.url.split('?').slice(1).join('?'))
  // A query that cannot be read says nothing about what is missing.
  if (problems.length > 0) return { value: undefined, problems, raw }
  if (route.query) return { ...validate(route.query, raw, 'query'), raw }
  const unknown = Object.keys(raw).map((name) => ({
    pointer: `?${name}`,
    code: 'unknown_parameter',
    detail: 'There is no such parameter.',
  }))
  return { value: undefined, problems: unknown, raw }
}

async function readBodyPart(route: Route, request: Request, before: InputProblem[]): Promise<Part & { raw?: unknown }> {
  if (!route.body || (route.isBodyOptional && !hasBody(request))) return NOTHING
  const raw = await readBody(request).catch((error: unknown) => {
    // Report the other problems too, even though the body could not be read.
    throw error instanceof RequestError && before.length > 0 ? error.with(before) : error
  })
  const unsafe = checkValue(raw, 'body')
  if (unsafe.length > 0) return { value: undefined, problems: unsafe }
  return { ...validate(route.body, raw, 'body'), raw }
}
