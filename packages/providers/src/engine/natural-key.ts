import { isJsonObject, type JsonObject, type JsonValue } from '@muster/contracts/json'
import type { InputProblem } from '@muster/contracts/problem'
import type { CreateInput, NaturalKey } from '../provider.ts'

type Path = readonly string[]

/**
 * Who a body creates. Read from the body that will be sent, after all merging: a second reading of the input could name
 * another user than the one that the provider creates.
 *
 * @param pointer where the request gives it, unless `remote_data` does.
 * @param fold two keys that the provider takes for equal become equal.
 */
export function readNaturalKey(
  { user }: CreateInput,
  body: JsonObject,
  path: Path,
  { pointer, fold }: { pointer: string; fold(sent: string): string },
): NaturalKey {
  const sent = at(body, path)
  const text = typeof sent === 'string' ? sent : ''
  return {
    field: path.at(-1) ?? '',
    sent: text,
    value: fold(text),
    pointer: remotePointer(user.remote_data, path) ?? pointer,
    ...otherSpelling(body, path),
  }
}

/** The pointer of what `remote_data` itself says under this path; undefined where it says nothing. */
export function remotePointer(remoteData: JsonObject | undefined, path: Path): string | undefined {
  return at(remoteData ?? {}, path) === undefined ? undefined : `/remote_data/${path.join('/')}`
}

function at(body: JsonObject, path: Path): JsonValue | undefined {
  return path.reduce<JsonValue | undefined>(
    (inner, name) => (isJsonObject(inner) && Object.hasOwn(inner, name) ? inner[name] : undefined),
    body,
  )
}

const fold = (name: string): string => name.toLowerCase().replace(/[_-]/g, '')

/**
 * Frameworks of the web let a query win over a body: a login in there could name another user than the one that is
 * looked up, and adopted.
 */
export function checkQuery(remoteQuery: JsonObject, { field }: NaturalKey, providerName: string): InputProblem[] {
  const name = namesIn(remoteQuery).find((given) => fold(given) === fold(field))
  return name === undefined
    ? []
    : [
        {
          pointer: '?remote_query',
          code: 'ambiguous',
          detail: `remote_query has "${name}", which ${providerName} may read as ${field}: give it in the body alone.`,
        },
      ]
}

const namesIn = (value: JsonObject): string[] =>
  Object.entries(value).flatMap(([name, inner]) => [name, ...(isJsonObject(inner) ? namesIn(inner) : [])])

/**
 * Whether a provider reads `Login` or `primary_email` as the field itself is mostly not documented, so a body that says
 * both is not sent. (An adapter whose provider is known to do so merges them instead.)
 */
function otherSpelling(body: JsonObject, path: Path): { otherSpelling?: string } {
  for (const [index, wanted] of path.entries()) {
    const place = at(body, path.slice(0, index)) ?? {}
    const other = Object.keys(place).find((name) => name !== wanted && fold(name) === fold(wanted))
    if (other !== undefined) return { otherSpelling: other }
  }
  return {}
}

/** Control characters, invisible ones (zero-width spaces, soft hyphens, marks of direction) and halves of a pair. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u

/** What no provider can take for the name of a user, or could not be looked up after a lost answer. */
export function checkNaturalKey(key: NaturalKey, providerName: string): InputProblem[] {
  const { field, sent, pointer, otherSpelling } = key
  const problem = (code: string, detail: string): InputProblem[] => [{ pointer, code, detail }]
  if (otherSpelling !== undefined)
    return [
      {
        pointer: '/remote_data',
        code: 'ambiguous',
        detail: `remote_data has a field "${otherSpelling}", which ${providerName} may read as ${field}: leave it out, or spell it ${field}.`,
      },
    ]
  if (sent.trim() === '')
    return problem('required', `${providerName} needs ${field}, as text (remote_data must not take it away).`)
  const characters = [...sent]
  const index = characters.findIndex((character) => INVISIBLE.test(character))
  if (index >= 0) {
    const code = (characters[index]?.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')
    return problem('invalid_value', `${field} has an invisible character, U+${code}, at position ${index + 1}.`)
  }
  if (sent !== sent.trim())
    return problem('invalid_value', `${field} must not begin or end with a space: it could not be looked up.`)
  if (sent === '.' || sent === '..')
    return problem('invalid_value', `${field} must not be "${sent}": it could not be looked up.`)
  return []
}
