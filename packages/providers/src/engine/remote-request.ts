import { isJsonObject, type JsonObject, type JsonValue } from '@muster/contracts/json'
import { RemoteFailureError, type RemoteRequest } from '../provider.ts'

/**
 * The path of a request, each value of it one segment: the only way in which input gets into a path. A segment that is
 * empty, `.` or `..` would be resolved away, and the account's credentials would call something else.
 *
 * @example pathOf`/api/v1/users/${login}`
 * @throws RemoteFailureError before anything is sent
 */
export function pathOf(literals: TemplateStringsArray, ...segments: string[]): string {
  return String.raw({ raw: literals }, ...segments.map(toSegment))
}

function toSegment(text: string): string {
  if (/^\.{0,2}$/.test(text))
    throw new RemoteFailureError({
      code: 'provider_not_found',
      outcome: 'failed',
      message: `${JSON.stringify(text)} cannot be part of an address, so nothing was sent.`,
    })
  return encode(text)
}

/** Half of a surrogate pair has no encoding. */
const encode = (text: string): string => encodeURIComponent(text.replace(/\p{Cs}/gu, '\uFFFD'))

/** `{filter: {username: 'ada'}, ids: [1]}` becomes `filter[username]=ada&ids[]=1`; null is left out. */
export function toQueryString(query: JsonObject): string {
  const parts: string[] = []
  const write = (name: string, value: JsonValue): void => {
    if (value === null) return
    if (Array.isArray(value)) return value.forEach((item) => write(`${name}[]`, item))
    if (isJsonObject(value))
      return Object.entries(value).forEach(([key, inner]) => write(`${name}[${encode(key)}]`, inner))
    parts.push(`${name}=${encode(String(value))}`)
  }
  for (const [key, value] of Object.entries(query)) write(encode(key), value)
  return parts.join('&')
}

export function toUrl(baseUrl: string, request: Pick<RemoteRequest, 'path' | 'query'>): string {
  const query = request.query ? toQueryString(request.query) : ''
  return `${baseUrl.replace(/\/+$/, '')}${request.path}${query ? `?${query}` : ''}`
}
