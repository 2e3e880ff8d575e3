import { describe, expect, test } from 'vitest'
import { tinyProvider } from '../../test/tiny-directory.ts'
import { checkInput } from './field-support.ts'
import type { AccountContext, CreateInput, Provider } from '../provider.ts'

const account: AccountContext = { config: {}, credentialType: 'api_token' }
const check = (
  input: Partial<CreateInput>,
  provider: Partial<Provider> = {},
  config: AccountContext['config'] = {},
) => {
  const { problems, warnings } = checkInput(
    { ...tinyProvider, ...provider },
    { user: {}, remoteQuery: {}, ...input },
    { ...account, config },
  )
  return {
    problems: problems.map(({ pointer, code }) => `${pointer} ${code}`),
    warnings: warnings.map(({ pointer, code }) => `${pointer} ${code}`),
  }
}

describe('what can be said of an input without a call', () => {
  test('what is missing', () => {
    expect(check({})).toEqual({ problems: ['/username required'], warnings: [] })
    expect(check({ user: { emails: [] } }, { fields: { emails: 'required' } }).problems).toEqual(['/emails required'])
    const given: Partial<Provider> = {
      isGivenElsewhere: (field) => field === 'username',
      toNaturalKey: () => ({ field: 'login', sent: 'ada', value: 'ada', pointer: '/remote_data/login' }),
    }
    expect(check({}, given).problems).toEqual([])
  })

  test('what the provider has no place for, and nothing about what was not given', () => {
    expect(check({ user: { username: 'a', phones: [{ number: '1' }], timezone: undefined } })).toEqual({
      problems: [],
      warnings: ['/phones field_not_supported'],
    })
  })

  test('parameters: required unless configured, ignored with a warning', () => {
    const needs: Partial<Provider> = { parameters: { organization_id: 'required' } }
    const user = { username: 'a' }
    expect(check({ user }, needs).problems).toEqual(['?organization_id required'])
    expect(check({ user, organizationId: 'o' }, needs).problems).toEqual([])
    expect(check({ user }, needs, { organization_id: 'o' }).problems).toEqual([])
    expect(check({ user }, needs, { organization_id: '' }).problems).toEqual(['?organization_id required'])
    expect(check({ user, workspaceId: 'w' }, needs, { organization_id: 'o' }).warnings).toEqual([
      '?workspace_id parameter_not_supported',
    ])
  })

  test('two primary addresses', () => {
    expect(
      check(
        {
          user: {
            username: 'a',
            emails: [
              { email: 'a@b.c', is_primary: true },
              { email: 'd@e.f', is_primary: true },
            ],
          },
        },
        { fields: { emails: 'supported' } },
      ).problems,
    ).toEqual(['/emails ambiguous'])
  })

  test("the provider's own rules, once a pointer", () => {
    const validate = () => [
      { pointer: '/username', code: 'too_short', detail: 'd' },
      { pointer: '/name', code: 'odd', detail: 'd' },
    ]
    expect(check({}, { validate }).problems).toEqual(['/username required', '/name odd'])
  })
})
