import { describe, expect, test } from 'vitest'
import type { z } from 'zod'
import { createUserQuerySchema } from './create-user-parameters.ts'
import { errorCodes, operationErrorCodes, problemCodes } from './error-codes.ts'
import { credentialsSchema, integratedAccountInputSchema } from './integrated-account.ts'
import { isTerminal, operationStatuses, terminalStatuses } from './operation.ts'
import { routes } from './routes.ts'
import type { Route } from './route.ts'
import { primaryEmail, unifiedUserInputSchema } from './unified-user.ts'

const id = '0190b9d2-7c30-7000-8000-000000000001'
const problemsOf = (schema: z.ZodType, value: unknown): string[] =>
  schema.safeParse(value).error?.issues.map((issue) => `${issue.path.join('.')} ${issue.code}`) ?? []

describe('the query of the create call', () => {
  test.each([
    ['repeated and a[]=', ['id', 'name'], ['id', 'name']],
    ['a[0]=', { 0: 'id', 1: 'name' }, ['id', 'name']],
    ['comma-separated', 'id, name,', ['id', 'name']],
    ['mixed', ['id,name', 'emails'], ['id', 'name', 'emails']],
  ])('takes a list as %s', (_, given, expected) => {
    expect(
      createUserQuerySchema.parse({ integrated_account_id: id, truto_exclude_fields: given }).truto_exclude_fields,
    ).toEqual(expected)
  })

  test('takes switches as text', () => {
    expect(
      createUserQuerySchema.parse({ integrated_account_id: id, truto_ignore_remote_data: '1', dry_run: 'false' }),
    ).toMatchObject({ truto_ignore_remote_data: true, dry_run: false })
  })

  test('refuses what it does not know, and says everything at once', () => {
    const problems = problemsOf(createUserQuerySchema, {
      integrated_account_id: 'x',
      truto_response_format: 'yaml',
      dry_run: 'perhaps',
      not_before: 'tomorrow',
      on_conflict: 'ignore',
      nonsense: '1',
    })
    expect(problems.map((problem) => problem.split(' ')[0]).sort()).toEqual([
      '',
      'dry_run',
      'integrated_account_id',
      'not_before',
      'on_conflict',
      'truto_response_format',
    ])
  })

  test('bounds lists and names', () => {
    expect(
      problemsOf(createUserQuerySchema, {
        integrated_account_id: id,
        truto_exclude_fields: Array.from({ length: 101 }, () => 'a'),
      }),
    ).not.toEqual([])
    expect(problemsOf(createUserQuerySchema, { integrated_account_id: id, reference: 'x'.repeat(201) })).not.toEqual([])
  })
})

describe('the body of the create call', () => {
  test('takes every field of the model', () => {
    const body = {
      name: 'Ada',
      emails: [{ email: 'ada@example.com', type: 'work', is_primary: true }],
      password: 'p',
      username: 'ada',
      group: 3,
      first_name: 'Ada',
      last_name: 'Lovelace',
      phones: [{ number: '1', extension: '2', type: 'work' }],
      roles: [{ id: '1', name: 'r', group: 'g', organization: 'o', workspace: 'w' }],
      timezone: 'Europe/London',
      languages: ['en-GB'],
      description: 'd',
      groups: [{ id: '1', name: 'n', organization: 'o' }],
      status: 'active',
      remote_data: { any: [{ thing: null }] },
    }
    expect(unifiedUserInputSchema.parse(body)).toEqual(body)
    expect(Object.keys(unifiedUserInputSchema.shape).sort()).toEqual(Object.keys(body).sort())
  })

  test.each([
    ['an unknown field', { nickname: 'x' }],
    ['an unknown field of an e-mail', { emails: [{ email: 'a@b.c', label: 'x' }] }],
    ['an address without @', { emails: [{ email: 'ada' }] }],
    ['an address that is too long', { emails: [{ email: `${'a'.repeat(250)}@b.cd` }] }],
    ['a group that is not an integer', { group: '3' }],
    ['a status that is none', { status: 'frozen' }],
    ['too many e-mails', { emails: Array.from({ length: 21 }, () => ({ email: 'a@b.c' })) }],
    ['an empty name', { name: '' }],
    ['remote_data that is a list', { remote_data: [] }],
  ])('refuses %s', (_, body) => expect(problemsOf(unifiedUserInputSchema, body)).not.toEqual([]))

  test('the primary address is the one marked so, else the first', () => {
    expect(primaryEmail({ emails: [{ email: 'a@b.c' }, { email: 'd@e.f', is_primary: true }] })).toBe('d@e.f')
    expect(primaryEmail({ emails: [{ email: 'a@b.c' }, { email: 'd@e.f' }] })).toBe('a@b.c')
    expect(primaryEmail({})).toBeUndefined()
  })
})

describe('integrated accounts', () => {
  test('the type of credentials selects their schema, which takes no field of another', () => {
    expect(credentialsSchema.parse({ type: 'api_token', api_token: ' t ' })).toEqual({
      type: 'api_token',
      api_token: 't',
    })
    expect(problemsOf(credentialsSchema, { type: 'api_token', api_key: 't' })).not.toEqual([])
    expect(problemsOf(credentialsSchema, { type: 'basic', user: 'a', password: 'b' })).not.toEqual([])
    expect(credentialsSchema.options.map((option) => option.shape.type.value).sort()).toEqual([
      'api_key',
      'api_token',
      'client_credentials',
      'jwt_bearer',
      'private_key_jwt',
      'refresh_token',
      'service_account',
    ])
  })

  test('limits are positive and bounded', () => {
    const account = { provider: 'okta', name: 'Acme', credentials: { type: 'api_token', api_token: 't' } }
    expect(
      problemsOf(integratedAccountInputSchema, {
        ...account,
        limits: { requests: 10, per_seconds: 1, concurrency: 2 },
      }),
    ).toEqual([])
    for (const limits of [{ requests: 0 }, { per_seconds: 86_401 }, { concurrency: 101 }, { requests: 1.5 }])
      expect(problemsOf(integratedAccountInputSchema, { ...account, limits })).toHaveLength(1)
  })
})

describe('error codes', () => {
  test('each has a status and a hint, and 401 and 403 stay with the caller of Muster', () => {
    for (const code of operationErrorCodes) expect([401, 403], code).not.toContain(errorCodes[code].status)
    for (const [code, { status, hint }] of Object.entries(errorCodes)) {
      expect(status, code).toBeGreaterThanOrEqual(400)
      expect(hint, code).toMatch(/[.…]$/)
    }
    expect(new Set([...operationErrorCodes, ...problemCodes]).size).toBe(Object.keys(errorCodes).length)
  })

  test('four statuses of an operation are its end', () => {
    expect(operationStatuses.filter(isTerminal)).toEqual([...terminalStatuses])
  })
})

describe('routes as data', () => {
  const all: Route[] = Object.values(routes)

  test('each has an id and a place of its own', () => {
    expect(new Set(all.map((route) => route.id)).size).toBe(all.length)
    expect(new Set(all.map((route) => `${route.method} ${route.path}`)).size).toBe(all.length)
  })

  test('each names exactly the parameters of its path, and answers with success and refusals', () => {
    for (const route of all) {
      const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1])
      expect(Object.keys(route.params?.shape ?? {}), route.id).toEqual(inPath)
      const statuses = Object.keys(route.responses).map(Number)
      expect(
        statuses.some((status) => status < 400),
        route.id,
      ).toBe(true)
      if (route.scope !== null) expect(statuses, route.id).toEqual(expect.arrayContaining([401, 403]))
      if (inPath.length > 0) expect(statuses, route.id).toContain(404)
    }
  })
})
