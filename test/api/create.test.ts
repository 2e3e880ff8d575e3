import { describe, expect, test } from 'vitest'
import { providerIds } from '../../packages/contracts/src/provider-ids.ts'
import { connectUnlimited, pointersOf, startContract } from '../support/contract.ts'
import { newUser } from '../support/harness.ts'

const WAIT = { prefer: 'wait=20' }
const inOneHour = (): string => encodeURIComponent(new Date(Date.now() + 3_600_000).toISOString())

// One attempt: what the provider refuses ends at once, and can be seen by who waits.
const { muster, client } = await startContract({ environment: { MUSTER_MAX_ATTEMPTS: '1' } })
const okta = await connectUnlimited(muster, 'okta')

describe('the create call', () => {
  describe('query parameters', () => {
    test.each([
      ['empty brackets', 'truto_exclude_fields[]=emails&truto_exclude_fields[]=status'],
      ['indexes', 'truto_exclude_fields[0]=emails&truto_exclude_fields[1]=status'],
      ['one name repeated', 'truto_exclude_fields=emails&truto_exclude_fields=status'],
      ['commas', 'truto_exclude_fields=emails,status'],
      ['commas in brackets', 'truto_exclude_fields[]=emails,status'],
      ['encoded brackets', 'truto_exclude_fields%5B%5D=emails&truto_exclude_fields%5B%5D=status'],
    ])('a list is taken as %s', async (_, query) => {
      const { status, body } = await client.create(okta, newUser('okta'), { query, headers: WAIT })
      expect(status).toBe(201)
      expect(body).toMatchObject({ first_name: 'Ada', last_name: 'Lovelace' })
      expect(body).not.toHaveProperty('emails')
      expect(body).not.toHaveProperty('status')
    })

    test('nested brackets reach the provider as they were meant', async () => {
      const query =
        'dry_run=true&remote_query[activate]=false&remote_query[a][b]=1&remote_query[list][]=x&remote_query[list][]=y'
      const { body } = await client.create<{ requests: { url: string }[] }>(okta, newUser('okta'), { query })
      const url = new URL(body.requests.at(-1)?.url ?? '')
      expect([...url.searchParams]).toEqual([
        ['activate', 'false'],
        ['a[b]', '1'],
        ['list[]', 'x'],
        ['list[]', 'y'],
      ])
    })

    test.each([
      ['true', 200],
      ['1', 200],
      ['false', 202],
      ['0', 202],
      ['yes', 422],
      ['TRUE', 422],
      ['', 422],
    ])('a flag is a boolean and nothing else: dry_run=%s is answered %i', async (value, status) => {
      expect((await client.create(okta, newUser('okta'), { query: `dry_run=${value}` })).status).toBe(status)
    })

    test("Meraki's organization and network come from the query, and win over those of the account", async () => {
      const meraki = await muster.connect('cisco_meraki')
      const { body } = await client.create<{ requests: { url: string }[] }>(meraki, newUser('cisco_meraki'), {
        query: 'dry_run=true&organization_id=2930418&workspace_id=N_1',
      })
      expect(body.requests[0]?.url).toContain('/organizations/2930418/')
    })
  })

  describe('response formats', () => {
    test.each(['', 'truto_response_format=unified'])(
      'unified is the default: the mapped user with remote_data (%s)',
      async (query) => {
        const { body } = await client.create(okta, newUser('okta'), { query, headers: WAIT })
        expect(body).toMatchObject({ first_name: 'Ada', remote_data: { profile: { firstName: 'Ada' } } })
        expect(body).not.toHaveProperty('licenses')
      },
    )

    test('normalized holds every field of the model, and the e-mail domain in lower case', async () => {
      const user = { ...newUser('okta'), emails: [{ email: `Ada.${Date.now()}@EXAMPLE.com` }] }
      const { body } = await client.create(okta, user, { query: 'truto_response_format=normalized', headers: WAIT })
      expect(body).toMatchObject({
        title: null,
        licenses: [],
        urls: [],
        external_id: null,
        emails: [
          {
            email: expect.stringMatching(/^Ada\.\d+@example\.com$/) as string,
            type: expect.anything() as unknown,
            is_primary: true,
          },
        ],
      })
    })

    test('raw is the body of the provider, without excluded fields', async () => {
      const { body } = await client.create(okta, newUser('okta'), {
        query: 'truto_response_format=raw&truto_exclude_fields=_links,credentials',
        headers: WAIT,
      })
      expect(body).toMatchObject({ profile: { firstName: 'Ada' }, created: expect.any(String) as string })
      expect(body).not.toHaveProperty('first_name')
      expect(body).not.toHaveProperty('_links')
    })

    test.each(['unified', 'normalized'])(
      'truto_ignore_remote_data leaves remote_data out of %s, and excluded fields too',
      async (format) => {
        const { body } = await client.create(okta, newUser('okta'), {
          query: `truto_response_format=${format}&truto_ignore_remote_data=true&truto_exclude_fields=last_name`,
          headers: WAIT,
        })
        expect(body).toMatchObject({ first_name: 'Ada' })
        expect(body).not.toHaveProperty('remote_data')
        expect(body).not.toHaveProperty('last_name')
      },
    )

    test('the view of the create call is that of later reads, until a read asks for another', async () => {
      const { headers } = await client.create(okta, newUser('okta'), {
        query: 'truto_response_format=raw&truto_exclude_fields=id',
        headers: WAIT,
      })
      const path = headers.get('location') ?? ''
      const read = async (query: string) =>
        (await client.request<{ result: Record<string, unknown> }>('GET', `${path}?${query}`)).body.result
      expect(await read('')).not.toHaveProperty('id')
      expect(await read('')).toHaveProperty('profile')
      expect(await read('truto_response_format=unified&truto_exclude_fields[]=name')).toMatchObject({
        id: expect.any(String) as string,
        first_name: 'Ada',
      })
      expect(await read('truto_response_format=unified&truto_exclude_fields[0]=remote_data')).not.toHaveProperty(
        'remote_data',
      )
      expect(await read('truto_response_format=normalized&truto_ignore_remote_data=1')).not.toHaveProperty(
        'remote_data',
      )
    })
  })

  describe('Prefer', () => {
    test('without it: 202 with Location, Retry-After and the operation', async () => {
      const { status, headers, body } = await client.create<{ id: string; status: string; links: object }>(
        okta,
        newUser('okta'),
        { query: 'reference=crm-17' },
      )
      expect(status).toBe(202)
      expect(headers.get('location')).toBe(`/operations/${body.id}`)
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
      expect(headers.get('vary')?.toLowerCase()).toContain('prefer')
      expect(headers.get('preference-applied')).toBeNull()
      expect(body).toMatchObject({
        status: 'queued',
        reference: 'crm-17',
        result: null,
        links: { self: `/operations/${body.id}` },
      })
    })

    test('wait answers 201 with the bare user and where the operation is', async () => {
      const { status, headers, body } = await client.create(okta, newUser('okta'), {
        headers: { prefer: 'wait=20, respond-quickly' },
      })
      expect(status).toBe(201)
      expect(headers.get('preference-applied')).toBe('wait=20')
      expect(headers.get('location')).toMatch(/^\/operations\/[0-9a-f-]{36}$/)
      expect(body).not.toHaveProperty('result')
    })

    test('a wait that ends first answers 202', async () => {
      const { status, headers } = await client.create(okta, newUser('okta'), {
        query: `not_before=${inOneHour()}`,
        headers: { prefer: 'wait=1' },
      })
      expect(status).toBe(202)
      expect(headers.get('preference-applied')).toBe('wait=1')
    })

    test('respond-async does not wait, whatever else is preferred', async () => {
      const { status, headers } = await client.create(okta, newUser('okta'), {
        headers: { prefer: 'respond-async, wait=20' },
      })
      expect(status).toBe(202)
      expect(headers.get('preference-applied')).toBe('respond-async')
    })

    test('handling=strict refuses whatever the provider would not get; without it, that is a warning', async () => {
      const user = {
        ...newUser('google_workspace'),
        description: 'no such field there',
        username: 'ada.other@example.com',
      }
      const google = await muster.connect('google_workspace')
      const strict = await client.create(google, user, { headers: { prefer: 'handling=strict' } })
      expect(strict.status).toBe(422)
      expect(strict.headers.get('preference-applied')).toBe('handling=strict')
      expect(pointersOf(strict)).toContain('/description')
      const lenient = await client.create<{ warnings: { pointer: string }[] }>(google, user, {
        query: `not_before=${inOneHour()}`,
      })
      expect(lenient.status).toBe(202)
      expect(lenient.body.warnings.map(({ pointer }) => pointer)).toEqual(expect.arrayContaining(pointersOf(strict)))
    })

    test('handling=strict counts the parts of a field too: a second e-mail address that Salesforce does not keep', async () => {
      const user = { ...newUser('salesforce'), emails: [{ email: 'one@example.com' }, { email: 'two@example.com' }] }
      const strict = await client.create(await muster.connect('salesforce'), user, {
        headers: { prefer: 'handling=strict' },
      })
      expect(strict.status).toBe(422)
      expect(pointersOf(strict)).toEqual(['/emails/1'])
    })
  })

  test('not_before keeps it from the provider, and expires_at must come after it', async () => {
    const { body } = await client.create<{ id: string; not_before: string; expires_at: string }>(
      okta,
      newUser('okta'),
      { query: 'not_before=2026-01-01T00:00:00%2B02:00' },
    )
    expect((await muster.finished(body.id)).status).toBe('succeeded')
    const later = new Date(Date.now() + 3_600_000).toISOString()
    const waiting = await client.create<typeof body>(okta, newUser('okta'), { query: `not_before=${later}` })
    expect(waiting.body.not_before).toBe(later)
    expect(Date.parse(waiting.body.expires_at)).toBeGreaterThan(Date.parse(later))
    for (const query of [
      `not_before=${later}&expires_at=${later}`,
      'expires_at=2020-01-01T00:00:00Z',
      'expires_at=2999-01-01T00:00:00Z',
      'not_before=2999-01-01T00:00:00Z',
      'not_before=tomorrow',
      'expires_at=1767225600',
    ]) {
      const answer = await client.create(okta, newUser('okta'), { query })
      expect(answer.status, query).toBe(422)
    }
  })

  describe('dry run', () => {
    test.each(providerIds)('%s: the requests with secrets masked; nothing sent, nothing stored', async (provider) => {
      const account = await muster.connect(provider)
      await muster.simulators[provider].set(provider === 'activecampaign' ? { seat_limit: null } : {})
      const { requests: before } = await muster.simulators[provider].ledger()
      const user = { ...newUser(provider), password: 'Correct-Horse-9' }
      const { status, body } = await client.create<{
        requests: { purpose: string; method: string; url: string; headers: Record<string, string>; body: unknown }[]
      }>(account, user, { query: 'dry_run=true&remote_query[api_key]=hush-hush' })
      expect(status).toBe(200)
      expect(body).toMatchObject({
        dry_run: true,
        provider,
        account_status: 'active',
        estimated_wait_seconds: expect.any(Number) as number,
      })
      const create = body.requests.find(({ purpose }) => purpose === 'create')
      expect(create?.method).toBe('POST')
      expect(create?.url.startsWith(muster.simulators[provider].url)).toBe(true)
      expect(JSON.stringify(body)).not.toMatch(/Correct-Horse-9|hush-hush|SimulatorDemo/)
      expect((await muster.simulators[provider].ledger()).requests).toHaveLength(before.length)
      expect(await client.countOperations(account)).toBe(0)
    })

    test('a Salesforce preview has placeholders where names become ids, and lists the derived fields', async () => {
      const account = await muster.connect('salesforce')
      const { body } = await client.create<{
        requests: { purpose: string; body: Record<string, string> }[]
        warnings: { code: string }[]
      }>(account, newUser('salesforce'), { query: 'dry_run=1' })
      expect(body.requests.map(({ purpose }) => purpose)).toEqual(['look_up', 'create', 'read'])
      expect(body.requests[1]?.body).toMatchObject({
        ProfileId: expect.stringMatching(/^<.*Standard User.*>$/) as string,
        LocaleSidKey: expect.any(String) as string,
        EmailEncodingKey: 'UTF-8',
        Alias: expect.any(String) as string,
      })
      expect(body.warnings.map(({ code }) => code)).toContain('derived')
    })

    test('refuses what a create would refuse', async () => {
      const answer = await client.create(await muster.connect('google_workspace'), {}, { query: 'dry_run=true' })
      expect(answer.status).toBe(422)
      expect(pointersOf(answer)).toEqual(expect.arrayContaining(['/password', '/first_name', '/last_name']))
    })
  })
})
