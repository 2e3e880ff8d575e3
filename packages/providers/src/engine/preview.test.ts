import { credentialsSchema } from '@muster/contracts/integrated-account'
import { providerIds, type ProviderId } from '@muster/contracts/provider-ids'
import type { UnifiedUserInput } from '@muster/contracts/unified-user'
import { describe, expect, test } from 'vitest'
import { tinyInput, tinyProvider, tinyProviderThatReads } from '../../test/tiny-directory.ts'
import { describeCreate } from './describe.ts'
import { previewCreate } from './preview.ts'
import type { AccountContext } from '../provider.ts'
import { providerOf } from '../registry.ts'

const baseUrl = 'https://vendor.example'
const accountOf = (id: ProviderId): AccountContext => ({
  config: { base_url: baseUrl },
  credentialType: Object.keys(providerOf(id).authentications)[0] as AccountContext['credentialType'],
})

describe('a dry run', () => {
  const everything: UnifiedUserInput = {
    name: 'Ada Lovelace',
    emails: [{ email: 'ada@example.com' }],
    username: 'ada@example.com',
    password: 'canary-Password-1',
    group: 3,
    first_name: 'Ada',
    last_name: 'Lovelace',
    roles: [{ id: '00e000000000001', name: 'read-only' }],
    timezone: 'Europe/London',
    languages: ['en-GB'],
    remote_data: { client_secret: 'canary-remote', nested: { token: 'canary-nested' }, plain: 'visible' },
  }

  test.each(providerIds)(
    '%s: shows the create as it would be sent, without a secret of the user or the account',
    (id) => {
      const input = {
        user: everything,
        remoteQuery: { api_key: 'canary-query', plain: 'visible' },
        organizationId: '1',
        workspaceId: 'N_1',
      }
      const { requests } = previewCreate(providerOf(id), input, accountOf(id))
      const create = requests.find(({ purpose }) => purpose === 'create')
      expect(create).toMatchObject({
        method: 'POST',
        headers: expect.objectContaining({ accept: 'application/json' }) as unknown,
      })
      expect(create?.url.startsWith(baseUrl)).toBe(true)
      expect(create?.url).toContain('plain=visible')
      expect(JSON.stringify(create?.body)).toContain('visible')
      expect(JSON.stringify(requests)).not.toContain('canary')
      expect(JSON.stringify(create?.headers)).toMatch(/<secret>|<access token>/)
    },
  )

  test('shows look-ups before and the read after, with placeholders for what only they can tell', () => {
    const provider = {
      ...tinyProviderThatReads,
      lookUps: () => [
        {
          key: 'role',
          request: { method: 'GET' as const, path: '/roles' },
          placeholder: '<id of role>',
          parse: () => undefined,
        },
      ],
      toCreateRequest: (_: unknown, __: unknown, found: Readonly<Record<string, unknown>>) => ({
        request: { method: 'POST' as const, path: '/users', body: { role: String(found.role) } },
        warnings: [],
      }),
    }
    const { requests } = previewCreate(provider, tinyInput, { config: {}, credentialType: 'api_token' })
    expect(requests.map(({ purpose, method, url }) => `${purpose} ${method} ${url}`)).toEqual([
      'look_up GET https://api.tiny.example/roles',
      'create POST https://api.tiny.example/users',
      'read GET https://api.tiny.example/by-id/<id of the new user>',
    ])
    expect(requests[1]).toMatchObject({
      headers: { authorization: 'Token <secret>', 'content-type': 'application/json' },
      body: { role: '<id of role>' },
    })
    expect(
      previewCreate(tinyProvider, tinyInput, { config: {}, credentialType: 'client_credentials' }).requests[0]?.headers
        .authorization,
    ).toBe('<access token>')
  })
})

describe('what a provider takes, as data', () => {
  test.each(providerIds)('%s: fields, parameters, credentials and limits as they are declared', (id) => {
    const provider = providerOf(id)
    const description = describeCreate(provider, { maxAttempts: 20 })
    const body = description.body_schema as { properties: Record<string, unknown>; required: string[] }
    const query = description.query_schema as { properties: Record<string, unknown>; required: string[] }
    expect(Object.keys(body.properties).sort()).toEqual(Object.keys(provider.fields).sort())
    expect(body.required.sort()).toEqual(
      Object.entries(provider.fields)
        .filter(([, support]) => support === 'required')
        .map(([field]) => field)
        .sort(),
    )
    for (const name of ['organization_id', 'workspace_id'] as const)
      expect(name in query.properties).toBe(provider.parameters[name] !== undefined)
    expect(query.required).toContain('integrated_account_id')
    expect(Object.keys(description.credential_types).sort()).toEqual(Object.keys(provider.authentications).sort())
    expect(
      Object.keys(description.credential_types).every((type) =>
        credentialsSchema.options.some((option) => option.shape.type.value === type),
      ),
    ).toBe(true)
    expect(description.limits).toMatchObject({
      requests: provider.limits.requests,
      per_seconds: provider.limits.perSeconds,
    })
    expect(JSON.parse(JSON.stringify(description))).toEqual(description)
  })

  test("an account's own limits and address win", () => {
    const description = describeCreate(
      tinyProvider,
      { maxAttempts: 3 },
      { config: { base_url: 'https://eu.tiny.example' }, credentialType: 'api_token', limits: { requests: 2 } },
    )
    expect(description).toMatchObject({
      limits: { requests: 2, per_seconds: 1, source: 'The limits of this account.' },
      base_url: { default: 'https://eu.tiny.example' },
      retry: { max_attempts: 3 },
    })
  })
})
