import { isJsonObject, type JsonObject, type JsonValue } from '@muster/contracts/json'
import type { RemoteRequest } from './provider.ts'

/** `{filter: {username: 'ada'}, ids: [1]}` becomes `filter[username]=ada&ids[]=1`; null is left out. */
export function toQueryString(query: JsonObject): string {
  const parts: string[] = []
  const write = (name: string, value: JsonValue): void => {
    if (value === null) return
    if (Array.isArray(value)) return value.forEach((item) => write(`${name}[]`, item))
    if (isJsonObject(value))
      return Object.entries(value).forEach(([key, inner]) => write(`${name}[${encodeURIComponent(key)}]`, inner))
    parts.push(`${name}=${encodeURIComponent(String(value))}`)
  }
  for (const [key, value] of Object.entries(query)) write(encodeURIComponent(key), value)
  return parts.join('&')
}

export function toUrl(baseUrl: string, request: Pick<RemoteRequest, 'path' | 'query'>): string {
  const query = request.query ? toQueryString(request.query) : ''
  return `${baseUrl.replace(/\/+$/, '')}${request.path}${query ? `?${query}` : ''}`
}
