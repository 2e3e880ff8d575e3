import { cleanTexts } from '@muster/contracts/clean-text'
import { isJsonObject } from '@muster/contracts/json'
import type { Warning } from '@muster/contracts/operation'
import type { InputProblem } from '@muster/contracts/problem'
import type { Route } from '@muster/contracts/route'
import { checkValue } from '@muster/contracts/untrusted-value'
import type { Request } from 'express'
import { notYetKnown, type AnyInput, type RefusedRequest } from './endpoint.ts'
import { parseQuery } from './query.ts'
import { hasBody, readBody } from './read-body.ts'
import { notFound, RequestError } from './request-error.ts'
import { validate } from './validate.ts'

type Raw = RefusedRequest['raw']
interface Part {
  value: unknown
  problems: InputProblem[]
}
type BodyPart = Part & { raw?: unknown; textWarnings?: Warning[] }
const NOTHING: Part = { value: undefined, problems: [] }

/**
 * A request as the schemas of its route see it, with everything that is wrong with it. `raw` is what was sent, where it
 * could be read safely.
 */
export async function readInput(
  route: Route,
  request: Request,
): Promise<{ input: AnyInput; raw: Raw; problems: InputProblem[]; textWarnings: Warning[] }> {
  const params = readParams(route, request)
  const { raw: rawQuery, ...query } = readQuery(route, request)
  const headers = route.headers ? validate(route.headers, request.headers, 'header') : NOTHING
  const before = [...query.problems, ...headers.problems]
  const keepsSpaces = isJsonObject(query.value) && query.value.trim === false
  const { raw: rawBody, textWarnings = [], ...body } = await readBodyPart(route, request, { before, keepsSpaces })
  return {
    input: { params, query: query.value, headers: headers.value, body: body.value },
    raw: { query: rawQuery, body: rawBody },
    problems: [...before, ...body.problems],
    textWarnings,
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

async function readBodyPart(
  route: Route,
  request: Request,
  { before, keepsSpaces }: { before: InputProblem[]; keepsSpaces: boolean },
): Promise<BodyPart> {
  if (!route.body || (route.isBodyOptional && !hasBody(request))) return NOTHING
  const raw = await readBody(request).catch((error: unknown) => {
    // Report the other problems too, even though the body could not be read.
    throw error instanceof RequestError && before.length > 0 ? error.with(before) : error
  })
  const unsafe = checkValue(raw, 'body')
  if (unsafe.length > 0) return { value: undefined, problems: unsafe }
  if (!route.hasCleanTexts || !isJsonObject(raw)) return { ...validate(route.body, raw, 'body'), raw }
  const { value: clean, problems, warnings } = cleanTexts(raw, { keepsSpaces })
  const body = validate(route.body, clean, 'body')
  return {
    ...body,
    problems: [...problems, ...notYetKnown(body.problems, problems)],
    raw: clean,
    textWarnings: warnings,
  }
}
