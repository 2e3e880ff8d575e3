import { hostAndPort, type AllowedHosts } from '@muster/contracts/allowed-hosts'
import type { InputProblem } from '@muster/contracts/problem'

/** Where it stands in the request is for the caller to say. */
export type EndpointUrlProblem = Omit<InputProblem, 'pointer'>

const MOST_CHARACTERS = 2_000

/**
 * Everything wrong with the address of an endpoint as it is written. Where it leads is another question, asked when it
 * is registered and at every attempt.
 */
export function checkEndpointUrl(text: string, allowedHosts: AllowedHosts): EndpointUrlProblem[] {
  if (text.length > MOST_CHARACTERS)
    return [{ code: 'too_long', detail: `must be at most ${MOST_CHARACTERS.toLocaleString('en')} characters` }]
  // The parser takes out blanks and line breaks in silence, and it would not be what was asked for.
  if (/[\s\p{Cc}]/u.test(text) || !URL.canParse(text))
    return [{ code: 'invalid_url', detail: 'must be an absolute URL, such as https://example.com/webhooks' }]
  const url = new URL(text)
  const problems: EndpointUrlProblem[] = []
  const isAllowedHttp = url.protocol === 'http:' && allowedHosts.has(hostAndPort(url))
  if (url.protocol !== 'https:' && !isAllowedHttp)
    problems.push({ code: 'https_required', detail: 'must begin with https://' })
  if (url.username !== '' || url.password !== '')
    problems.push({ code: 'user_info', detail: 'must not hold a user name or password' })
  // An empty one is not in `hash`.
  if (text.includes('#')) problems.push({ code: 'fragment', detail: 'must not have a part after #' })
  return problems
}
