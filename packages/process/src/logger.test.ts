import { describe, expect, test } from 'vitest'
import { createLogger, safeError } from './logger.ts'

const SECRET = 'hunter2-canary'

/** Errors as libraries make them, each with the secret where that library puts it. */
const leaky: Record<string, () => Error> = {
  'body-parser, with the raw body on the error': () =>
    Object.assign(new SyntaxError(`Unexpected end of JSON input: {"password":"${SECRET}`), {
      body: `{"password":"${SECRET}"`,
      status: 400,
      type: 'entity.parse.failed',
    }),
  'an HTTP client, with the request on the error': () =>
    Object.assign(new Error('Request failed with status code 401'), {
      code: 'ERR_BAD_REQUEST',
      config: { headers: { Authorization: `Bearer ${SECRET}` }, data: SECRET },
      request: { _header: SECRET },
      response: { data: { echo: SECRET } },
    }),
  'a cause that says it': () => new Error('wrapped', { cause: new Error(SECRET) }),
  'several errors in one': () => new AggregateError([new Error(SECRET)], `all failed: ${SECRET}`),
  'a message of several lines that looks like a stack': () =>
    new Error(`bad input:\n    at ${SECRET} (file.js:1:1)\n    at ${SECRET}:2:2`),
  'a message that was changed afterwards': () => Object.assign(new Error(`first ${SECRET}`), { message: 'second' }),
  'JSON.parse, which quotes its input': () => {
    try {
      return JSON.parse(`${SECRET}\n    at x`) as Error
    } catch (error) {
      return error as Error
    }
  },
}

function lines(write: (log: ReturnType<typeof createLogger>) => void): string {
  let text = ''
  write(createLogger('trace', 'test', { write: (line: string) => void (text += line) }))
  return text
}

describe('an error in the log', () => {
  test.each([
    ["READONLY You can't write against a read only replica.", 'READONLY'],
    [`ERR Error running script (call to f_1): @user_script:1: -MISCONF ${SECRET}`, 'MISCONF'],
    [`ERR unknown command '${SECRET}'`, 'ERR'],
    [SECRET, undefined],
  ])("what Redis refuses is logged by Redis' own word", (message, code) => {
    const error = Object.assign(new Error(message), { name: 'ReplyError' })
    expect(safeError(error).code).toBe(code)
    expect(JSON.stringify(safeError(error))).not.toContain(SECRET)
  })

  test.each(Object.entries(leaky))('%s: nothing of it but its type, code and frames', (_, make) => {
    const safe = safeError(make())
    expect(JSON.stringify(safe)).not.toContain(SECRET)
    expect(Object.keys(safe).filter((key) => !['type', 'code', 'stack'].includes(key))).toEqual([])
  })

  test.each(Object.entries(leaky))('%s: not by any way of logging it either', (_, make) => {
    const text = lines((log) => {
      log.error({ err: make() }, 'it failed')
      log.error({ error: make() }, 'it failed')
      log.warn({ reason: make(), nested: 1 }, 'it failed')
      log.error({ err: make() })
      log.error(make())
      log.error(make(), 'it failed')
      log.child({ request_id: 'r' }).fatal({ err: make() })
    })
    expect(text.trim().split('\n')).toHaveLength(7)
    expect(text).not.toContain(SECRET)
  })

  test('still says where it came from', () => {
    const safe = safeError(Object.assign(new TypeError('x'), { code: 'E_ONE' }))
    expect(safe).toMatchObject({ type: 'TypeError', code: 'E_ONE' })
    expect((safe.stack as string[])[0]).toContain('logger.test.ts')
    expect((safe.stack as string[]).length).toBeLessThanOrEqual(6)
  })

  test('a value that is not an error is logged as its type only', () => {
    expect([`text ${SECRET}`, { password: SECRET }, null, 7].map(safeError)).toEqual([
      { type: 'string' },
      { type: 'object' },
      { type: 'object' },
      { type: 'number' },
    ])
  })

  test('an odd code is left out', () => {
    expect(safeError(Object.assign(new Error('x'), { code: { token: SECRET } }))).not.toHaveProperty('code')
  })
})

test('a line is JSON with the level in words, the name and an ISO time', () => {
  const line = JSON.parse(lines((log) => log.info({ operation_id: 'o' }, 'attempt ended'))) as Record<string, unknown>
  expect(line).toMatchObject({ level: 'info', name: 'test', operation_id: 'o', msg: 'attempt ended' })
  expect(new Date(String(line.time)).toISOString()).toBe(line.time)
})
