/** The part of SOQL that clients of the User API write: one object, conditions, order, limit, offset, COUNT(). */
export type Literal = string | number | boolean | null
export type Condition =
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Condition[] }
  | { readonly kind: 'not'; readonly part: Condition }
  | { readonly kind: 'compare'; readonly field: string; readonly operator: string; readonly values: readonly Literal[] }

export interface Query {
  /** Empty for COUNT(). */
  readonly fields: readonly string[]
  readonly object: string
  readonly condition: Condition | undefined
  readonly order: readonly { readonly field: string; readonly isDescending: boolean }[]
  readonly limit: number | undefined
  readonly offset: number
}

export class SoqlError extends Error {}

interface Token {
  readonly kind: 'name' | 'text' | 'number' | 'date' | 'sign'
  readonly value: string
}

const TOKEN =
  /\s+|'((?:[^'\\]|\\.)*)'|(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d))|(-?\d+(?:\.\d+)?)|([A-Za-z_][\w.]*)|(<=|>=|!=|<>|[=<>(),])/y

function tokenize(soql: string): Token[] {
  const tokens: Token[] = []
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < soql.length) {
    const at = TOKEN.lastIndex
    const match = TOKEN.exec(soql)
    if (match === null) throw new SoqlError(`unexpected token: '${soql.slice(at, at + 1)}'`)
    const [, text, date, number, name, sign] = match
    if (text !== undefined) tokens.push({ kind: 'text', value: text.replace(/\\(.)/g, '$1') })
    else if (date !== undefined) tokens.push({ kind: 'date', value: date })
    else if (number !== undefined) tokens.push({ kind: 'number', value: number })
    else if (name !== undefined) tokens.push({ kind: 'name', value: name })
    else if (sign !== undefined) tokens.push({ kind: 'sign', value: sign })
  }
  return tokens
}

/** Throws `SoqlError`. */
export function parseSoql(soql: string): Query {
  const tokens = tokenize(soql)
  let position = 0

  const is = (word: string): boolean => {
    const token = tokens[position]
    return token !== undefined && (token.kind === 'name' || token.kind === 'sign') && token.value.toUpperCase() === word
  }
  const take = (word: string): boolean => {
    if (!is(word)) return false
    position += 1
    return true
  }
  const next = (): Token => {
    const token = tokens[position]
    if (token === undefined) throw new SoqlError("unexpected token: '<EOF>'")
    position += 1
    return token
  }
  const expect = (word: string): void => {
    if (!take(word)) throw new SoqlError(`unexpected token: '${tokens[position]?.value ?? '<EOF>'}'`)
  }
  const name = (): string => {
    const token = next()
    if (token.kind !== 'name') throw new SoqlError(`unexpected token: '${token.value}'`)
    return token.value
  }
  const number = (): number => {
    const token = next()
    if (token.kind !== 'number') throw new SoqlError(`unexpected token: '${token.value}'`)
    return Number(token.value)
  }
  function listOf<Item>(item: () => Item): Item[] {
    const items = [item()]
    while (take(',')) items.push(item())
    return items
  }

  function literal(): Literal {
    const { kind, value } = next()
    if (kind === 'text') return value
    if (kind === 'number') return Number(value)
    if (kind === 'date') return value
    const word = value.toUpperCase()
    if (word === 'TRUE' || word === 'FALSE') return word === 'TRUE'
    if (word === 'NULL') return null
    throw new SoqlError(`unexpected token: '${value}'`)
  }
  function comparison(): Condition {
    const field = name()
    const isNegated = take('NOT')
    if (take('IN')) {
      expect('(')
      const values = listOf(literal)
      expect(')')
      return { kind: 'compare', field, operator: isNegated ? 'NOT IN' : 'IN', values }
    }
    if (isNegated) throw new SoqlError("unexpected token: 'NOT'")
    const operator = next().value.toUpperCase()
    if (!['=', '!=', '<>', '<', '>', '<=', '>=', 'LIKE'].includes(operator))
      throw new SoqlError(`unexpected token: '${operator}'`)
    return { kind: 'compare', field, operator, values: [literal()] }
  }
  function term(): Condition {
    if (take('NOT')) return { kind: 'not', part: term() }
    if (!take('(')) return comparison()
    const inner = condition()
    expect(')')
    return inner
  }
  function condition(): Condition {
    const first = term()
    if (!is('AND') && !is('OR')) return first
    const word = is('AND') ? 'AND' : 'OR'
    const parts = [first]
    while (take(word)) parts.push(term())
    // Salesforce refuses AND beside OR without parentheses.
    if (is('AND') || is('OR')) throw new SoqlError(`unexpected token: '${tokens[position]?.value ?? ''}'`)
    return { kind: word === 'AND' ? 'and' : 'or', parts }
  }

  expect('SELECT')
  let fields: string[] = []
  if (take('COUNT')) {
    expect('(')
    expect(')')
  } else fields = listOf(name)
  expect('FROM')
  const object = name()
  const where = take('WHERE') ? condition() : undefined
  let order: Query['order'] = []
  if (take('ORDER')) {
    expect('BY')
    order = listOf(() => {
      const field = name()
      const isDescending = take('DESC')
      if (!isDescending) take('ASC')
      if (take('NULLS') && !take('FIRST')) expect('LAST')
      return { field, isDescending }
    })
  }
  const limit = take('LIMIT') ? number() : undefined
  const offset = take('OFFSET') ? number() : 0
  if (position < tokens.length) throw new SoqlError(`unexpected token: '${tokens[position]?.value ?? ''}'`)
  return { fields, object, condition: where, order, limit, offset }
}
