import { createUserQuerySchema } from '@muster/contracts/create-user-parameters'
import { unifiedUserInputSchema } from '@muster/contracts/unified-user'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { invalid } from './request-error.ts'
import { validate } from './validate.ts'

describe('validate', () => {
  test('each problem has its own pointer: a JSON pointer in a body, brackets in a query', () => {
    const body = validate(unifiedUserInputSchema, { emails: [{ email: 'x', 'a/b': 1 }] }, 'body')
    expect(body.problems.map(({ pointer, code }) => [pointer, code])).toEqual([
      ['/emails/0/email', 'invalid_format'],
      ['/emails/0/a~1b', 'unknown_field'],
    ])
    const query = validate(
      createUserQuerySchema,
      { remote_query: 'x', truto_exclude_fields: { a: 'b' }, colour: 'red' },
      'query',
    )
    expect(query.problems.map(({ pointer, code }) => [pointer, code])).toEqual([
      ['?integrated_account_id', 'required'],
      ['?truto_exclude_fields', 'invalid_union'],
      ['?remote_query', 'invalid_type'],
      ['?colour', 'unknown_parameter'],
    ])
  })

  test('says what would be right and never quotes what was sent', () => {
    const { problems } = validate(
      unifiedUserInputSchema,
      { status: 'hunter2', password: 7, emails: [{ email: 'hunter2' }] },
      'body',
    )
    expect(problems).toHaveLength(3)
    expect(JSON.stringify(problems)).not.toContain('hunter2')
    expect(problems.map(({ detail }) => detail).join()).toContain('must be one of "active", "inactive"')
  })

  test('speaks of what would be right in the same words everywhere', () => {
    const schema = z.strictObject({
      name: z.string().max(3),
      count: z.int().min(1),
      tags: z.array(z.string()).max(1),
      id: z.uuid(),
      note: z.string().min(1),
      mode: z.literal('test'),
      mail: z.string().regex(/@/, 'must be an e-mail address'),
    })
    const value = { name: 'long', count: 0, tags: ['a', 'b'], id: 'x', note: '', mode: 'y', mail: 'z' }
    expect(validate(schema, value, 'body').problems.map(({ detail }) => detail)).toEqual([
      'must have at most 3 characters',
      'must be at least 1',
      'must have at most 1 entry',
      'must be a UUID',
      'must not be empty',
      'must be "test"',
      'must be an e-mail address',
    ])
  })

  test('what is absent is required, whatever it should have been', () => {
    const schema = z.strictObject({
      a: z.string(),
      b: z.enum(['x']),
      c: z.union([z.string(), z.number()]),
      d: z.array(z.string()),
    })
    expect(validate(schema, {}, 'body').problems.map(({ code }) => code)).toEqual([
      'required',
      'required',
      'required',
      'required',
    ])
  })
})

test('an answer holds at most a hundred problems, with pointers of a bounded length', () => {
  const error = invalid(
    Array.from({ length: 5_000 }, (_, index) => ({
      pointer: `/${'x'.repeat(1_000)}${index}`,
      code: 'unknown_field',
      detail: 'x',
    })),
  )
  expect(error.errors).toHaveLength(100)
  expect(JSON.stringify(error.errors).length).toBeLessThan(30_000)
  expect(error.message).toContain('and 4999 more')
  expect(invalid([{ pointer: '', code: 'x', detail: 'must be an object' }]).message).toBe('The body: must be an object')
})
