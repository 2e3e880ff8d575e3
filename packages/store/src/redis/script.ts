import { createHash } from 'node:crypto'
import type { Redis } from './connect.ts'

type Argument = string | number | Buffer

/** Names of keys and arguments, in the order in which they are sent. */
interface Parameters<Key extends string, Arg extends string> {
  keys?: readonly Key[]
  args?: readonly Arg[]
}

type Values<Key extends string, Arg extends string> = Readonly<Record<Key, string> & Record<Arg, Argument>>

/** What a caller gives: every key and argument by name, a list under its name, and the items. */
export type ScriptCall<
  Key extends string,
  Arg extends string,
  KeyList extends string,
  ArgList extends string,
  ItemKey extends string,
  ItemArg extends string,
> = Values<Key, Arg> &
  Readonly<Record<KeyList, readonly string[]> & Record<ArgList, readonly Argument[]>> &
  ([ItemKey | ItemArg] extends [never] ? unknown : { readonly items: readonly Values<ItemKey, ItemArg>[] })

interface Definition<
  Key extends string,
  Arg extends string,
  KeyList extends string,
  ArgList extends string,
  ItemKey extends string,
  ItemArg extends string,
> extends Parameters<Key, Arg> {
  /** Any number of further keys, a table in Lua. */
  keyList?: KeyList
  /** Any number of further arguments, a table in Lua. */
  argList?: ArgList
  /** Keys and arguments that come once for each item of the call; `forEachItem` names them. */
  item?: Parameters<ItemKey, ItemArg>
  /** @param forEachItem runs Lua for each item, whose position is `item`. `itemCount` is how many there are. */
  lua: string | ((forEachItem: (body: string) => string) => string)
}

export interface Script<Call> {
  (redis: Redis, call: Call): Promise<unknown>
  /** All in one round trip and in order, each by itself: other clients' commands may come between. */
  pipelined(redis: Redis, calls: readonly Call[]): Promise<unknown[]>
}

/**
 * A Lua script whose keys and arguments have names: on both sides the positions are derived from the lists, so that a
 * forgotten or misspelt one does not compile. Redis is sent the text once, and then its hash.
 */
export function defineScript<
  Key extends string = never,
  Arg extends string = never,
  KeyList extends string = never,
  ArgList extends string = never,
  ItemKey extends string = never,
  ItemArg extends string = never,
>(
  definition: Definition<Key, Arg, KeyList, ArgList, ItemKey, ItemArg>,
): Script<ScriptCall<Key, Arg, KeyList, ArgList, ItemKey, ItemArg>> {
  const lua = toLua(definition)
  const hash = createHash('sha1').update(lua).digest('hex')
  type Call = ScriptCall<Key, Arg, KeyList, ArgList, ItemKey, ItemArg>

  async function run(redis: Redis, call: Call): Promise<unknown> {
    const { keys, args } = toPositions(definition, call)
    try {
      return await redis.evalsha(hash, keys.length, ...keys, ...args)
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('NOSCRIPT'))
        return redis.eval(lua, keys.length, ...keys, ...args)
      throw error
    }
  }
  async function pipelined(redis: Redis, calls: readonly Call[]): Promise<unknown[]> {
    if (calls.length === 0) return []
    const pipeline = redis.pipeline()
    // Within the pipeline, since Redis may have been restarted since the last one.
    pipeline.script('LOAD', lua)
    for (const call of calls) {
      const { keys, args } = toPositions(definition, call)
      pipeline.evalsha(hash, keys.length, ...keys, ...args)
    }
    return ((await pipeline.exec()) ?? []).slice(1).map(([error, answer]) => {
      if (error) throw error
      return answer
    })
  }
  return Object.assign(run, { pipelined })
}

type AnyDefinition = Definition<string, string, string, string, string, string>

/** The script, and before it its parameters under their names. */
function toLua({ keys = [], args = [], keyList, argList, item, lua }: AnyDefinition): string {
  const preamble = [
    localsOf('KEYS', keys, 0),
    localsOf('ARGV', args, 0),
    keyList === undefined ? '' : `local ${keyList} = {unpack(KEYS, ${keys.length + 1})}`,
    argList === undefined ? '' : `local ${argList} = {unpack(ARGV, ${args.length + 1})}`,
  ]
  if (typeof lua === 'string') return [...preamble, lua].filter((line) => line !== '').join('\n')
  const { keys: itemKeys = [], args: itemArgs = [] } = item ?? {}
  const [list, fixed, each] =
    itemArgs.length > 0 ? ['ARGV', args.length, itemArgs.length] : ['KEYS', keys.length, itemKeys.length]
  const forEachItem = (body: string): string => `for item = 1, itemCount do
${localsOf('KEYS', itemKeys, keys.length, 'item')}
${localsOf('ARGV', itemArgs, args.length, 'item')}
${body}
end`
  const count = `local itemCount = (#${list} - ${fixed}) / ${each}`
  return [...preamble, count, lua(forEachItem)].filter((line) => line !== '').join('\n')
}

function localsOf(list: 'KEYS' | 'ARGV', names: readonly string[], after: number, item?: 'item'): string {
  if (names.length === 0) return ''
  const first = item ? `${after + 1} + (item - 1) * ${names.length}` : String(after + 1)
  const last = item ? `${after} + item * ${names.length}` : String(after + names.length)
  return `local ${names.join(', ')} = unpack(${list}, ${first}, ${last})`
}

/** By name → by position. */
function toPositions(
  { keys = [], args = [], keyList, argList, item }: AnyDefinition,
  call: object,
): { keys: Argument[]; args: Argument[] } {
  const flat = { keys: keys.map((name) => valueOf(call, name)), args: args.map((name) => valueOf(call, name)) }
  if (keyList !== undefined) flat.keys.push(...listOf(call, keyList).map(toArgument))
  if (argList !== undefined) flat.args.push(...listOf(call, argList).map(toArgument))
  if (item === undefined) return flat
  for (const values of listOf(call, 'items')) {
    if (typeof values !== 'object' || values === null) throw new TypeError('an item of a script is missing')
    for (const name of item.keys ?? []) flat.keys.push(valueOf(values, name))
    for (const name of item.args ?? []) flat.args.push(valueOf(values, name))
  }
  return flat
}

const valueOf = (call: object, name: string): Argument => toArgument(Reflect.get(call, name))

function listOf(call: object, name: string): readonly unknown[] {
  const list: unknown = Reflect.get(call, name)
  if (!Array.isArray(list)) throw new TypeError(`the list ${name} of a script is missing`)
  return list
}

function toArgument(value: unknown): Argument {
  if (typeof value === 'string' || typeof value === 'number' || Buffer.isBuffer(value)) return value
  throw new TypeError('a key or argument of a script is missing')
}
