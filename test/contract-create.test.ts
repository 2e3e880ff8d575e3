import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clientOf, pointersOf, type ProblemBody } from './contract.ts'
import { newUser, startMuster, type Muster, type ProviderName } from './harness.ts'

const providers: ProviderName[] = ['activecampaign', 'cisco_meraki', 'files_com', 'google_workspace', 'okta', 'salesforce']
const WAIT = { prefer: 'wait=20' }
const inOneHour = (): string => encodeURIComponent(new Date(Date.now() + 3_600_000).toISOString())

describe('the create call', () => {
  let muster: Muster
  let client: ReturnType<typeof clientOf>
  let okta: string
  beforeAll(async () => {
    // One attempt: what the provider refuses ends at once, and can be seen by who waits.
    muster = await startMuster({ environment: { MUSTER_MAX_ATTEMPTS: '1' } })
    client = clientOf(muster)
    okta = await muster.connect('okta')
  })
  afterAll(() => muster.close())

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
      const query = 'dry_run=true&remote_query[activate]=false&remote_query[a][b]=1&remote_query[list][]=x&remote_query[list][]=y'
      const { body } = await client.create<{ requests: { url: string }[] }>(okta, newUser('okta'), { query })
      const url = new URL(body.requests.at(-1)?.url ?? '')
      expect([...url.searchParams]).toEqual([['activate', 'false'], ['a[b]', '1'], ['list[]', 'x'], ['list[]', 'y']])
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
      const { body } = await client.create<{ requests: { url: string }[] }>(meraki, newUser('cisco_meraki'), { query: 'dry_run=true&organization_id=2930418&workspace_id=N_1' })
      expect(body.requests[0]?.url).toContain('/organizations/2930418/')
    })
  })

  describe('response formats', () => {
    test.each(['', 'truto_response_format=unified'])('unified is the default: the mapped user with remote_data (%s)', async (query) => {
      const { body } = await client.create(okta, newUser('okta'), { query, headers: WAIT })
      expect(body).toMatchObject({ first_name: 'Ada', remote_data: { profile: { firstName: 'Ada' } } })
      expect(body).not.toHaveProperty('licenses')
    })

    test('normalized holds every field of the model, and the e-mail domain in lower case', async () => {
      const user = { ...newUser('okta'), emails: [{ email: `Ada.${Date.now()}@EXAMPLE.com` }] }
      const { body } = await client.create(okta, user, { query: 'truto_response_format=normalized', headers: WAIT })
      expect(body).toMatchObject({ title: null, licenses: [], urls: [], external_id: null, emails: [{ email: expect.stringMatching(/^Ada\.\d+@example\.com$/) as string, type: expect.anything() as unknown, is_primary: true }] })
    })

    test('raw is the body of the provider, without excluded fields', async () => {
      const { body } = await client.create(okta, newUser('okta'), { query: 'truto_response_format=raw&truto_exclude_fields=_links,credentials', headers: WAIT })
      expect(body).toMatchObject({ profile: { firstName: 'Ada' }, created: expect.any(String) as string })
      expect(body).not.toHaveProperty('first_name')
      expect(body).not.toHaveProperty('_links')
    })

    test.each(['unified', 'normalized'])('truto_ignore_remote_data leaves remote_data out of %s, and excluded fields too', async (format) => {
      const { body } = await client.create(okta, newUser('okta'), { query: `truto_response_format=${format}&truto_ignore_remote_data=true&truto_exclude_fields=last_name`, headers: WAIT })
      expect(body).toMatchObject({ first_name: 'Ada' })
      expect(body).not.toHaveProperty('remote_data')
      expect(body).not.toHaveProperty('last_name')
    })

    test('the view of the create call is that of later reads, until a read asks for another', async () => {
      const { headers } = await client.create(okta, newUser('okta'), { query: 'truto_response_format=raw&truto_exclude_fields=id', headers: WAIT })
      const path = headers.get('location') ?? ''
      const read = async (query: string) => (await client.request<{ result: Record<string, unknown> }>('GET', `${path}?${query}`)).body.result
      expect(await read('')).not.toHaveProperty('id')
      expect(await read('')).toHaveProperty('profile')
      expect(await read('truto_response_format=unified&truto_exclude_fields[]=name')).toMatchObject({ id: expect.any(String) as string, first_name: 'Ada' })
      expect(await read('truto_response_format=unified&truto_exclude_fields[0]=remote_data')).not.toHaveProperty('remote_data')
      expect(await read('truto_response_format=normalized&truto_ignore_remote_data=1')).not.toHaveProperty('remote_data')
    })
  })

  describe('Prefer', () => {
    test('without it: 202 with Location, Retry-After and the operation', async () => {
      const { status, headers, body } = await client.create<{ id: string; status: string; links: object }>(okta, newUser('okta'), { query: 'reference=crm-17' })
      expect(status).toBe(202)
      expect(headers.get('location')).toBe(`/operations/${body.id}`)
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
      expect(headers.get('vary')?.toLowerCase()).toContain('prefer')
      expect(headers.get('preference-applied')).toBeNull()
      expect(body).toMatchObject({ status: 'queued', reference: 'crm-17', result: null, links: { self: `/operations/${body.id}` } })
    })

    test('wait answers 201 with the bare user and where the operation is', async () => {
      const { status, headers, body } = await client.create(okta, newUser('okta'), { headers: { prefer: 'wait=20, respond-quickly' } })
      expect(status).toBe(201)
      expect(headers.get('preference-applied')).toBe('wait=20')
      expect(headers.get('location')).toMatch(/^\/operations\/[0-9a-f-]{36}$/)
      expect(body).not.toHaveProperty('result')
    })

    test('a wait that ends first answers 202', async () => {
      const { status, headers } = await client.create(okta, newUser('okta'), { query: `not_before=${inOneHour()}`, headers: { prefer: 'wait=1' } })
      expect(status).toBe(202)
      expect(headers.get('preference-applied')).toBe('wait=1')
    })

    test('respond-async does not wait, whatever else is preferred', async () => {
      const { status, headers } = await client.create(okta, newUser('okta'), { headers: { prefer: 'respond-async, wait=20' } })
      expect(status).toBe(202)
      expect(headers.get('preference-applied')).toBe('respond-async')
    })

    test('handling=strict refuses whatever the provider would not get; without it, that is a warning', async () => {
      const user = { ...newUser('google_workspace'), description: 'no such field there', username: 'ada.other@example.com' }
      const google = await muster.connect('google_workspace')
      const strict = await client.create(google, user, { headers: { prefer: 'handling=strict' } })
      expect(strict.status).toBe(422)
      expect(strict.headers.get('preference-applied')).toBe('handling=strict')
      expect(pointersOf(strict)).toContain('/description')
      const lenient = await client.create<{ warnings: { pointer: string }[] }>(google, user, { query: `not_before=${inOneHour()}` })
      expect(lenient.status).toBe(202)
      expect(lenient.body.warnings.map(({ pointer }) => pointer)).toEqual(expect.arrayContaining(pointersOf(strict)))
    })

    test('handling=strict counts the parts of a field too: a second e-mail address that Salesforce does not keep', async () => {
      const user = { ...newUser('salesforce'), emails: [{ email: 'one@example.com' }, { email: 'two@example.com' }] }
      const strict = await client.create(await muster.connect('salesforce'), user, { headers: { prefer: 'handling=strict' } })
      expect(strict.status).toBe(422)
      expect(pointersOf(strict)).toEqual(['/emails/1'])
    })
  })

  describe('what the provider refuses, as the synchronous API would have said it', () => {
    type Failure = ProblemBody & { operation: string; origin: string; hint: string; raw_response: unknown; remote_id: string | null }

    test('409 user_exists, with the id of the user there', async () => {
      const user = newUser('okta')
      const first = await client.create<{ id: string }>(okta, user, { headers: WAIT })
      const { status, headers, body } = await client.create<Failure>(okta, user, { headers: WAIT })
      expect(status).toBe(409)
      expect(body).toMatchObject({ code: 'user_exists', remote_id: first.body.id, hint: expect.stringContaining('on_conflict=adopt') as string })
      expect(body.operation).toBe(headers.get('location'))
      expect((await client.request('GET', body.operation)).body).toMatchObject({ status: 'failed', error: { code: 'user_exists' } })
    })

    test('on_conflict=adopt: 200 with the user there', async () => {
      const user = newUser('okta')
      const first = await client.create<{ id: string }>(okta, user, { headers: WAIT })
      const { status, headers, body } = await client.create(okta, user, { query: 'on_conflict=adopt', headers: WAIT })
      expect(status).toBe(200)
      expect(body).toMatchObject({ id: first.body.id, first_name: 'Ada' })
      expect((await client.request('GET', headers.get('location') ?? '')).body).toMatchObject({ status: 'succeeded', outcome: 'adopted' })
    })

    test('422 password_rejected points at the password and does not quote it', async () => {
      await muster.simulators.files_com.set({ password_require_special: true, password_min_length: 30 })
      const files = await muster.connect('files_com')
      const answer = await client.create<Failure>(files, { ...newUser('files_com'), password: 'TooShortForThisSite' }, { headers: WAIT })
      expect(answer.status).toBe(422)
      expect(answer.body).toMatchObject({ code: 'password_rejected', origin: 'provider' })
      expect(pointersOf(answer)).toEqual(['/password'])
      expect(JSON.stringify(answer.body)).not.toContain('TooShortForThisSite')
    })

    test('422 provider_validation_failed, provider_not_found and license_limit_reached', async () => {
      const refused = await client.create(okta, { ...newUser('okta'), remote_data: { profile: { shoeSize: 'x' } } }, { headers: WAIT })
      expect([refused.status, refused.body.code]).toEqual([422, 'provider_validation_failed'])

      const salesforce = await muster.connect('salesforce')
      const absent = await client.create(salesforce, { ...newUser('salesforce'), roles: [{ name: 'No Such Profile' }] }, { headers: WAIT })
      expect([absent.status, absent.body.code, pointersOf(absent)]).toEqual([422, 'provider_not_found', ['/roles/0/name']])

      await muster.simulators.activecampaign.set({ seat_limit: 1 })
      const full = await client.create(await muster.connect('activecampaign'), newUser('activecampaign'), { headers: WAIT })
      expect([full.status, full.body.code]).toEqual([422, 'license_limit_reached'])
    })

    test('503 provider_unavailable says when to come again', async () => {
      const salesforce = await muster.connect('salesforce')
      await muster.simulators.salesforce.arm({ fault: 'server_error', status: 503, times: 0, match: { method: 'GET' } })
      const answer = await client.create(salesforce, newUser('salesforce'), { headers: WAIT })
      await muster.simulators.salesforce.disarm()
      expect([answer.status, answer.body.code, answer.body.retryable]).toEqual([503, 'provider_unavailable', true])
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    })

    test('424 permission_denied when the provider does not let the account create this user', async () => {
      const google = await muster.connect('google_workspace')
      const user = { ...newUser('google_workspace'), emails: [{ email: `ada.${Date.now()}@not-our-domain.example` }] }
      const answer = await client.create(google, user, { headers: WAIT })
      expect([answer.status, answer.body.code, answer.body.provider_status]).toEqual([424, 'permission_denied', 403])
    })

    test('rejected credentials put the operation on hold: 202 at once, with the reason, and not an end', async () => {
      const revoked = await muster.connect('okta', { credentials: { type: 'api_token', api_token: 'revoked' } })
      const answer = await client.create<{ status: string; status_reason: string }>(revoked, newUser('okta'), { headers: { prefer: 'wait=60' } })
      expect([answer.status, answer.body.status]).toEqual([202, 'held'])
      expect(answer.body.status_reason).toContain('needs_reauth')
    })

    test('504 outcome_unknown when no answer came and nobody can be looked up', async () => {
      await muster.simulators.okta.arm({ fault: 'reset_after_commit' })
      const answer = await client.create(okta, newUser('okta'), { headers: WAIT })
      expect([answer.status, answer.body.code]).toEqual([504, 'outcome_unknown'])
    })
  })

  describe('Idempotency-Key', () => {
    test('quoted and bare are one key: the same operation again, and 202', async () => {
      const user = newUser('okta')
      const first = await client.create<{ id: string }>(okta, user, { headers: { 'idempotency-key': 'k-quoted' } })
      const second = await client.create<{ id: string }>(okta, user, { headers: { 'idempotency-key': '"k-quoted"' } })
      expect([first.status, second.status]).toEqual([202, 202])
      expect(second.body.id).toBe(first.body.id)
      const end = await muster.finished(first.body.id)
      expect(end.status).toBe('succeeded')
      const after = await client.create<{ id: string }>(okta, user, { headers: { 'idempotency-key': 'k-quoted', ...WAIT } })
      expect(after.status).toBe(201)
    })

    test('the order of fields and the notation of lists do not make another request', async () => {
      const user = newUser('okta')
      const turned = Object.fromEntries(Object.entries(user).reverse())
      const first = await client.create<{ id: string }>(okta, user, { query: 'truto_exclude_fields=a,b', headers: { 'idempotency-key': 'k-order' } })
      const second = await client.create<{ id: string }>(okta, turned, { query: 'truto_exclude_fields[]=a&truto_exclude_fields[]=b', headers: { 'idempotency-key': 'k-order' } })
      expect(second.body.id).toBe(first.body.id)
    })

    test('with another body: 422 and where the first operation is', async () => {
      const user = newUser('okta')
      const first = await client.create<{ id: string }>(okta, user, { headers: { 'idempotency-key': 'k-other' } })
      const second = await client.create<ProblemBody>(okta, { ...user, first_name: 'Grace' }, { headers: { 'idempotency-key': 'k-other' } })
      expect([second.status, second.body.code, second.body.operation]).toEqual([422, 'idempotency_key_reused', `/operations/${first.body.id}`])
      const third = await client.create<ProblemBody>(okta, user, { query: 'on_conflict=adopt', headers: { 'idempotency-key': 'k-other' } })
      expect([third.status, third.body.code]).toEqual([422, 'idempotency_key_reused'])
    })

    test('50 at once are one operation and one user', async () => {
      const user = newUser('okta')
      const answers = await Promise.all(Array.from({ length: 50 }, () => client.create<{ id: string }>(okta, user, { headers: { 'idempotency-key': 'k-parallel' } })))
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]))
      const ids = new Set(answers.map(({ body }) => body.id))
      expect(ids.size).toBe(1)
      const [id = ''] = ids
      const operation = await muster.finished(id)
      const { created } = await muster.simulators.okta.ledger()
      expect(created.filter((entry) => entry.id === operation.remote_id)).toHaveLength(1)
    })

    test('it counts within one account of one tenant', async () => {
      const user = newUser('okta')
      const other = await muster.connect('okta')
      const stranger = await muster.bootstrap()
      const theirs = await muster.connect('okta', { key: stranger.adminKey })
      const options = { query: `not_before=${inOneHour()}`, headers: { 'idempotency-key': 'k-scope' } }
      const ids = [
        (await client.create<{ id: string }>(okta, user, options)).body.id,
        (await client.create<{ id: string }>(other, user, options)).body.id,
        (await client.create<{ id: string }>(theirs, user, { ...options, key: stranger.adminKey })).body.id,
      ]
      expect(new Set(ids).size).toBe(3)
    })

    test('a refused request uses up no key and leaves nothing in Redis', async () => {
      const redis = new Redis(muster.redis.url)
      const keys = async () => (await redis.keys('*')).filter((key) => /operation:|operation-locator|idempotency|live-login|reference/.test(key))
      try {
        const live = newUser('okta')
        await client.create(okta, live, { query: `not_before=${inOneHour()}` })
        const before = await keys()
        const headers = { 'idempotency-key': 'k-refused' }
        expect((await client.create(okta, { first_name: 7 }, { headers })).status).toBe(422)
        expect((await client.create(okta, live, { query: 'reference=refused', headers })).status).toBe(409)
        expect((await client.create('62f44730-dd91-461e-bd6a-aedd9e0ad79d', live, { headers })).status).toBe(404)
        expect((await keys()).filter((key) => !before.includes(key))).toEqual([])
        expect((await client.create(okta, newUser('okta'), { headers })).status).toBe(202)
      } finally {
        redis.disconnect()
      }
    })

    test.each(['', 'x'.repeat(256), 'ü', 'two words'])('%j is no key', async (key) => {
      const answer = await client.create(okta, newUser('okta'), { headers: { 'idempotency-key': encodeURI(key) === key ? key : Buffer.from(key, 'latin1').toString('latin1') } })
      expect(answer.status).toBe(422)
      expect(pointersOf(answer)).toEqual(['idempotency-key'])
    })
  })

  test('a login that an unfinished operation is creating is refused in any case, with that operation', async () => {
    const first = await client.create<{ id: string }>(okta, newUser('okta', 'Grace.Hopper'), { query: `not_before=${inOneHour()}` })
    const second = await client.create<ProblemBody>(okta, newUser('okta', 'gRACE.hOPPER'))
    expect([second.status, second.body.code, second.body.operation]).toEqual([409, 'operation_in_progress', `/operations/${first.body.id}`])
    expect(second.headers.get('location')).toBe(`/operations/${first.body.id}`)
    await client.request('POST', `/operations/${first.body.id}/cancel`)
    expect((await client.create(okta, newUser('okta', 'grace.hopper'))).status).toBe(202)
  })

  test('not_before keeps it from the provider, and expires_at must come after it', async () => {
    const { body } = await client.create<{ id: string; not_before: string; expires_at: string }>(okta, newUser('okta'), { query: 'not_before=2026-01-01T00:00:00%2B02:00' })
    expect((await muster.finished(body.id)).status).toBe('succeeded')
    const later = new Date(Date.now() + 3_600_000).toISOString()
    const waiting = await client.create<typeof body>(okta, newUser('okta'), { query: `not_before=${later}` })
    expect(waiting.body.not_before).toBe(later)
    expect(Date.parse(waiting.body.expires_at)).toBeGreaterThan(Date.parse(later))
    for (const query of [`not_before=${later}&expires_at=${later}`, 'expires_at=2020-01-01T00:00:00Z', 'expires_at=2999-01-01T00:00:00Z', 'not_before=2999-01-01T00:00:00Z', 'not_before=tomorrow', 'expires_at=1767225600']) {
      const answer = await client.create(okta, newUser('okta'), { query })
      expect([query, answer.status]).toEqual([query, 422])
    }
  })

  describe('dry run', () => {
    test.each(providers)('%s: the requests with secrets masked; nothing sent, nothing stored', async (provider) => {
      const account = await muster.connect(provider)
      await muster.simulators[provider].set(provider === 'activecampaign' ? { seat_limit: null } : {})
      const { requests: before } = await muster.simulators[provider].ledger()
      const user = { ...newUser(provider), password: 'Correct-Horse-9' }
      const { status, body } = await client.create<{ requests: { purpose: string; method: string; url: string; headers: Record<string, string>; body: unknown }[] }>(account, user, { query: 'dry_run=true&remote_query[api_key]=hush-hush' })
      expect(status).toBe(200)
      expect(body).toMatchObject({ dry_run: true, provider, account_status: 'active', estimated_wait_seconds: expect.any(Number) as number })
      const create = body.requests.find(({ purpose }) => purpose === 'create')
      expect(create?.method).toBe('POST')
      expect(create?.url.startsWith(muster.simulators[provider].url)).toBe(true)
      expect(JSON.stringify(body)).not.toMatch(/Correct-Horse-9|hush-hush|SimulatorDemo/)
      expect((await muster.simulators[provider].ledger()).requests).toHaveLength(before.length)
      expect(await client.countOperations(account)).toBe(0)
    })

    test("Salesforce's names stand as placeholders where their ids will be, and the derived fields are told", async () => {
      const account = await muster.connect('salesforce')
      const { body } = await client.create<{ requests: { purpose: string; body: Record<string, string> }[]; warnings: { code: string }[] }>(account, newUser('salesforce'), { query: 'dry_run=1' })
      expect(body.requests.map(({ purpose }) => purpose)).toEqual(['look_up', 'create', 'read'])
      expect(body.requests[1]?.body).toMatchObject({ ProfileId: expect.stringMatching(/^<.*Standard User.*>$/) as string, LocaleSidKey: expect.any(String) as string, EmailEncodingKey: 'UTF-8', Alias: expect.any(String) as string })
      expect(body.warnings.map(({ code }) => code)).toContain('derived')
    })

    test('refuses what a create would refuse', async () => {
      const answer = await client.create(await muster.connect('google_workspace'), {}, { query: 'dry_run=true' })
      expect(answer.status).toBe(422)
      expect(pointersOf(answer)).toEqual(expect.arrayContaining(['/password', '/first_name', '/last_name']))
    })
  })
})
