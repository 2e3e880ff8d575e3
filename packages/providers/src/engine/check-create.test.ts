import { expect, test } from 'vitest'
import { checkCreate } from './check-create.ts'
import { providerOf } from '../registry.ts'

const account = { config: {}, credentialType: 'api_token' } as const
const codesOf = (remoteData: Record<string, string[]>, remoteQuery: Record<string, string[]> = {}): string[] =>
  checkCreate(
    providerOf('okta'),
    account,
    {
      user: { first_name: 'Ada', last_name: 'L', emails: [{ email: 'ada@b.example' }], remote_data: remoteData },
      remoteQuery,
    },
    {},
    { isStrict: false, now: Date.now() },
  ).problems.map(({ pointer, code }) => `${pointer} ${code}`)
const many = (count: number): string[] => Array.from({ length: count }, (_, index) => `value-${index}`)

test('a create holds no more secrets than can be looked for in an answer, in its body and its query', () => {
  expect(codesOf({ tokens: many(100) })).toEqual([])
  expect(codesOf({ tokens: many(101) })).toEqual(['/remote_data too_many_secrets'])
  expect(codesOf({ tokens: many(60) }, { tokens: many(41) })).toEqual(['/remote_data too_many_secrets'])
  expect(codesOf({ groupIds: many(500) })).toEqual([])
})
