import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { useRedis } from '../../test/redis.ts'
import type { Redis } from './connect.ts'
import { defineScript } from './script.ts'

const connect = useRedis()
let redis: Redis
beforeAll(() => {
  redis = connect()
})

const named = defineScript({
  keys: ['first', 'second'],
  args: ['left', 'right'],
  lua: 'return {first, second, left, right}',
})
const values = { first: 'a', second: 'b', left: 1, right: Buffer.from('r') }

describe('keys and arguments', () => {
  test('reach the script under their names, in whatever order a call gives them', async () => {
    const { first, second, left, right } = values
    expect(await named(redis, { right, second, left, first })).toEqual(['a', 'b', '1', 'r'])
  })

  test('lists and items follow, each under its name', async () => {
    const lists = defineScript({
      keys: ['one'],
      args: ['two'],
      keyList: 'more',
      argList: 'rest',
      lua: 'return {one, two, #more, more[2], #rest, rest[1]}',
    })
    expect(await lists(redis, { one: 'k', two: 'a', more: ['l', 'm'], rest: ['r'] })).toEqual([
      'k',
      'a',
      2,
      'm',
      1,
      'r',
    ])
    expect(await lists(redis, { one: 'k', two: 'a', more: [], rest: [] })).toEqual(
      ['k', 'a', 0, null, 0, null].slice(0, 3),
    )
  })

  test('items bring keys and arguments of their own', async () => {
    const sums = defineScript({
      keys: ['one'],
      args: ['factor'],
      item: { keys: ['own'], args: ['low', 'high'] },
      lua: (forEachItem) =>
        `local found = {itemCount} ${forEachItem('found[item + 1] = own .. (low + high) * factor')} return found`,
    })
    const items = [
      { own: 'x', low: 1, high: 2 },
      { own: 'y', low: 3, high: 4 },
    ]
    expect(await sums(redis, { one: 'k', factor: 10, items })).toEqual([2, 'x30', 'y70'])
    expect(await sums(redis, { one: 'k', factor: 10, items: [] })).toEqual([0])
  })

  test('a forgotten or misspelt one does not compile, and sends nothing', async () => {
    // @ts-expect-error `right` is forgotten.
    await expect(named(redis, { first: 'a', second: 'b', left: 1 })).rejects.toThrow(TypeError)
    // @ts-expect-error `rihgt` is misspelt.
    await expect(named(redis, { first: 'a', second: 'b', left: 1, rihgt: 2 })).rejects.toThrow(TypeError)
    // @ts-expect-error there is no `third`.
    expect(await named(redis, { ...values, third: 'c' })).toEqual(['a', 'b', '1', 'r'])
    // @ts-expect-error a key is a string.
    await named(redis, { ...values, first: 1 })
    // @ts-expect-error items have no place in this script.
    await named(redis, { ...values, items: [] })
  })
})

describe('the text of a script', () => {
  test('is sent once: alone when Redis does not know it, and with every pipeline', async () => {
    const key = randomUUID()
    const count = defineScript({ keys: ['counter'], args: ['by'], lua: "return redis.call('INCRBY', counter, by)" })
    await redis.script('FLUSH')
    expect(await count(redis, { counter: key, by: 1 })).toBe(1)
    expect(await count(redis, { counter: key, by: 2 })).toBe(3)
    await redis.script('FLUSH')
    const calls = [1, 2].map((by) => ({ counter: key, by }))
    expect(await count.pipelined(redis, calls)).toEqual([4, 6])
    expect(await count.pipelined(redis, [])).toEqual([])
  })
})
