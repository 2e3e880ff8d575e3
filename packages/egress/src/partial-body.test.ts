import { Readable } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readUpTo } from './partial-body.ts'

const never = (): boolean => false

describe('a body that is read in part', () => {
  test('is whole where it fits, to the byte', async () => {
    expect(await readUpTo(Readable.from([Buffer.from('abc'), Buffer.from('de')]), 5, never)).toEqual({ body: 'abcde' })
    expect(await readUpTo(Readable.from([]), 0, never)).toEqual({ body: '' })
  })

  test('is cut off where it does not, and its stream is given up', async () => {
    const stream = Readable.from([Buffer.from('abc'), Buffer.from('def')])
    expect(await readUpTo(stream, 5, never)).toEqual({ body: 'abcde', isTruncated: true })
    expect(stream.destroyed).toBe(true)
  })

  test('is not read further than that', async () => {
    async function* endless(): AsyncGenerator<Buffer> {
      for (let sent = 0; sent < 100; sent += 1) yield Buffer.alloc(10, 'x')
      await Promise.reject(new Error('it was read to its end'))
    }
    expect(await readUpTo(Readable.from(endless(), { highWaterMark: 1 }), 15, never)).toEqual({
      body: 'x'.repeat(15),
      isTruncated: true,
    })
  })

  test('ends before a character that the cut went through', async () => {
    expect(await readUpTo(Readable.from([Buffer.from('aé🦊')]), 6, never)).toEqual({ body: 'aé', isTruncated: true })
  })

  test('is never longer than asked for, and the beginning of what came', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: 'grapheme' })), fc.nat(40), async (parts, limit) => {
        const whole = parts.join('')
        const { body, isTruncated } = await readUpTo(
          Readable.from(parts.map((part) => Buffer.from(part))),
          limit,
          never,
        )
        expect(Buffer.byteLength(body)).toBeLessThanOrEqual(limit)
        expect(isTruncated ?? false).toBe(Buffer.byteLength(whole) > limit)
        expect(whole.startsWith(body)).toBe(true)
      }),
    )
  })

  async function* breaking(): AsyncGenerator<Buffer> {
    yield Buffer.from('abc')
    await Promise.resolve()
    throw new Error('cut')
  }

  test('that breaks off is an error, or what had come where that is enough', async () => {
    await expect(readUpTo(Readable.from(breaking()), 9, never)).rejects.toThrow('cut')
    expect(await readUpTo(Readable.from(breaking()), 9, () => true)).toEqual({ body: 'abc', isTruncated: true })
  })
})
