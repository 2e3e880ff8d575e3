import { describe, expect, test } from 'vitest'
import { providerIds } from '../../packages/contracts/src/provider-ids.ts'
import { pointersOf, startContract, type ProblemBody } from '../support/contract.ts'
import { newUser } from '../support/harness.ts'
import { sampleOf } from '../support/samples.ts'

/** Of an address that no test calls. */
const UNTESTED = '/integrated-accounts?test=false'
interface Account {
  id: string
  status: string
  status_reason: string | null
  status_since: string
  config: Record<string, unknown>
}

interface Connected extends Account {
  test: { ok: boolean; status: string; message: string } | null
}

const { muster, client } = await startContract()

describe('integrated accounts', () => {
  const oktaAccount = (more: Record<string, unknown> = {}) => ({
    provider: 'okta',
    name: 'Acme',
    credentials: { type: 'api_token', api_token: 'not-a-real-token-1' },
    config: { base_url: 'https://acme.okta.com' },
    ...more,
  })

  test('are created, read, listed, changed and deleted; the credentials are never shown', async () => {
    const made = await client.request<Account>('POST', UNTESTED, { body: oktaAccount() })
    expect(made.status).toBe(201)
    expect(made.headers.get('location')).toBe(`/integrated-accounts/${made.body.id}`)
    expect(made.body).toMatchObject({
      status: 'active',
      status_reason: null,
      credential_type: 'api_token',
      limits: {},
      config: { base_url: 'https://acme.okta.com' },
    })
    const path = `/integrated-accounts/${made.body.id}`
    const changed = await client.request('PATCH', `${path}?test=false`, {
      body: {
        name: 'Acme Ltd',
        limits: { requests: 5, per_seconds: 1 },
        credentials: { type: 'api_token', api_token: 'not-a-real-token-2' },
      },
    })
    expect(changed.body).toMatchObject({
      name: 'Acme Ltd',
      limits: { requests: 5, per_seconds: 1 },
      config: { base_url: 'https://acme.okta.com' },
    })
    const read = await client.request('GET', path)
    expect({ ...read.body, test: null }).toEqual(changed.body)
    const list = await client.request('GET', '/integrated-accounts?provider=okta')
    expect(list.body.result).toEqual([read.body])
    expect((await client.request('GET', '/integrated-accounts?provider=salesforce')).body.result).toEqual([])
    expect(JSON.stringify([made, changed, read, list].map(({ body }) => body))).not.toContain('not-a-real-token')
    expect((await client.request('DELETE', path)).status).toBe(204)
    expect((await client.request('GET', path)).status).toBe(404)
    expect((await client.request('DELETE', path)).status).toBe(404)
  })

  test('a PATCH merges the config, and null takes a setting out', async () => {
    const { body } = await client.request<Account>('POST', UNTESTED, {
      body: {
        provider: 'cisco_meraki',
        name: 'Acme',
        credentials: { type: 'api_key', api_key: 'k'.repeat(40) },
        config: { organization_id: '1' },
      },
    })
    const patched = await client.request<Account>('PATCH', `/integrated-accounts/${body.id}`, {
      body: { config: { workspace_id: 'N_1', organization_id: null } },
    })
    expect(patched.body.config).toEqual({ workspace_id: 'N_1' })
  })

  test('a new address needs the credentials again, so that no one can redirect them', async () => {
    const path = `/integrated-accounts/${(await client.request<Account>('POST', UNTESTED, { body: oktaAccount() })).body.id}`
    for (const config of [
      { base_url: 'https://mallory.okta.com' },
      { base_url: 'https://listener.example', custom_domain: true },
      { token_url: 'https://mallory.okta.com' },
    ]) {
      const answer = await client.request('PATCH', path, { body: { config } })
      expect({ status: answer.status, pointers: pointersOf(answer) }).toEqual({
        status: 422,
        pointers: ['/credentials'],
      })
    }
    expect(
      (await client.request('PATCH', path, { body: { config: { base_url: 'https://acme.okta.com/api/v1' } } })).status,
    ).toBe(200)
    expect(
      (
        await client.request('PATCH', `${path}?test=false`, {
          body: { config: { base_url: 'https://other.okta.com' }, credentials: { type: 'api_token', api_token: 'x' } },
        })
      ).status,
    ).toBe(200)
  })

  test('a refused change tells everything that is wrong with it, and changes nothing', async () => {
    const { body } = await client.request<Account>('POST', UNTESTED, { body: oktaAccount() })
    const answer = await client.request('PATCH', `/integrated-accounts/${body.id}`, {
      body: { name: '', config: { colour: 'red', base_url: 'https://evil.example' }, provider: 'salesforce' },
    })
    expect(pointersOf(answer).sort()).toEqual([
      '/config/base_url',
      '/config/colour',
      '/credentials',
      '/name',
      '/provider',
    ])
    const { body: unchanged } = await client.request('GET', `/integrated-accounts/${body.id}`)
    expect({ ...unchanged, test: null }).toEqual(body)
  })

  test.each([
    [
      "a host that is not the vendor's",
      { base_url: 'https://okta.com.evil.example' },
      '/config/base_url',
      'host_not_allowed',
    ],
    ["the vendor's host without TLS", { base_url: 'http://acme.okta.com' }, '/config/base_url', 'host_not_allowed'],
    [
      'a private address',
      { base_url: 'https://169.254.169.254', custom_domain: false },
      '/config/base_url',
      'host_not_allowed',
    ],
    ['credentials in the address', { base_url: 'https://user:pass@acme.okta.com' }, '/config/base_url', 'invalid_url'],
    ['another scheme', { base_url: 'file:///etc/passwd' }, '/config/base_url', 'invalid_url'],
    ['no address at all', {}, '/config/base_url', 'required'],
    ['a number for an address', { base_url: 7 }, '/config/base_url', 'invalid_type'],
    ['an unknown setting', { base_url: 'https://acme.okta.com', colour: 'red' }, '/config/colour', 'unknown_field'],
  ])('config: %s is refused', async (_, config, pointer, code) => {
    const answer = await client.request<ProblemBody>('POST', UNTESTED, { body: oktaAccount({ config }) })
    expect(answer.status).toBe(422)
    expect(answer.body.errors).toEqual([expect.objectContaining({ pointer, code })])
  })

  test("a customer's own domain is taken where the config says that it is one", async () => {
    expect(
      (
        await client.request('POST', UNTESTED, {
          body: oktaAccount({ config: { base_url: 'https://login.acme.example', custom_domain: true } }),
        })
      ).status,
    ).toBe(201)
    expect(
      (
        await client.request('POST', UNTESTED, {
          body: oktaAccount({ config: { base_url: 'https://login.acme.example' } }),
        })
      ).status,
    ).toBe(422)
  })

  test('tells everything that is wrong at once, that of the config beside that of the rest', async () => {
    const answer = await client.request('POST', UNTESTED, {
      body: {
        provider: 'okta',
        name: '',
        nickname: 'x',
        credentials: { type: 'api_key', api_key: 'x' },
        config: { base_url: 'https://evil.example', colour: 'red' },
        limits: { requests: 0, per_minute: 1 },
      },
    })
    expect(answer.status).toBe(422)
    expect(pointersOf(answer).sort()).toEqual([
      '/config/base_url',
      '/config/colour',
      '/credentials/type',
      '/limits/per_minute',
      '/limits/requests',
      '/name',
      '/nickname',
    ])
  })

  test('credentials: a type that does not exist, that the provider does not take, or with a part missing', async () => {
    const answer = async (credentials: unknown) =>
      client.request<ProblemBody>('POST', UNTESTED, { body: oktaAccount({ credentials }) })
    expect(pointersOf(await answer({ type: 'password', password: 'x' }))).toEqual(['/credentials/type'])
    expect(pointersOf(await answer({ type: 'api_key', api_key: 'x' }))).toEqual(['/credentials/type'])
    expect(pointersOf(await answer({ type: 'private_key_jwt', client_id: 'x' })).sort()).toEqual([
      '/credentials/key_id',
      '/credentials/private_key',
    ])
    expect(pointersOf(await answer(undefined))).toEqual(['/credentials'])
    const patched = await client.request('PATCH', `/integrated-accounts/${await muster.connect('okta')}`, {
      body: { credentials: { type: 'api_key', api_key: 'x' } },
    })
    expect(pointersOf(patched)).toEqual(['/credentials/type'])
  })

  test.each(providerIds)('%s: a test with good credentials, and with bad ones, says which', async (provider) => {
    const account = await muster.connect(provider)
    const good = await client.request('POST', `/integrated-accounts/${account}/test`)
    expect(good.body).toMatchObject({ ok: true, status: 'active' })
    const { type } = await client
      .request<{ credential_type: string }>('GET', `/integrated-accounts/${account}`)
      .then(({ body }) => ({ type: body.credential_type }))
    const bad =
      type === 'refresh_token'
        ? { type, client_id: 'unknown-client', client_secret: 'wrong-secret-1', refresh_token: 'wrong-secret-2' }
        : { type, [type]: 'wrong-secret-3' }
    await client.request('PATCH', `/integrated-accounts/${account}?test=false`, { body: { credentials: bad } })
    const answer = await client.request<{ ok: boolean; status: string; calls: unknown[] }>(
      'POST',
      `/integrated-accounts/${account}/test`,
    )
    expect({ ok: answer.body.ok, status: answer.body.status }).toEqual({ ok: false, status: 'needs_reauth' })
    expect(answer.body.calls.length).toBeGreaterThan(0)
    expect(JSON.stringify(answer.body)).not.toContain('wrong-secret')
    expect((await client.request<Account>('GET', `/integrated-accounts/${account}`)).body.status).toBe('active')
  })

  test.each(providerIds)(
    '%s: new credentials are tested at once, and wrong ones hold the account',
    async (provider) => {
      // Six calls in less than a second are more than ActiveCampaign allows.
      await muster.simulators[provider].set({ rate_limit: null })
      const sample = sampleOf(provider)
      const config = sample.config(muster.simulators[provider].url)
      const { credentials } = sample
      const wrong = Object.fromEntries(
        Object.entries(credentials).map(([name, value]) => [name, name === 'type' ? value : 'wrong-secret-4']),
      )
      const connect = (given: object) =>
        client.request<Connected>('POST', '/integrated-accounts', {
          body: { provider, name: 'Acme', credentials: given, config },
        })
      const bad = await connect(wrong)
      expect(bad).toMatchObject({
        status: 201,
        body: { status: 'needs_reauth', status_reason: expect.any(String) as string, test: { ok: false } },
      })
      expect(bad.body.status_reason).toBe(bad.body.test?.message)
      expect(JSON.stringify(bad.body)).not.toContain('wrong-secret')
      const path = `/integrated-accounts/${bad.body.id}`
      expect((await client.request<Connected>('PATCH', path, { body: { credentials } })).body).toMatchObject({
        status: 'active',
        status_reason: null,
        test: { ok: true, status: 'active' },
      })
      expect((await client.request<Connected>('PATCH', path, { body: { credentials: wrong } })).body).toMatchObject({
        status: 'needs_reauth',
        test: { ok: false },
      })
      expect((await client.request<Connected>('PATCH', path, { body: { name: 'Acme Ltd' } })).body.test).toBeNull()
      expect((await connect(credentials)).body).toMatchObject({ status: 'active', test: { ok: true } })
    },
  )

  test.each([
    ['breaks the connection', { fault: 'reset_before_commit' }],
    ['never answers', { fault: 'timeout_before_commit' }],
    ['is hidden by a firewall', { fault: 'answer', status: 401, content_type: 'text/html', body: '<html>No</html>' }],
  ])('a provider that %s refuses no new account, and the answer does not wait for it', async (_, fault) => {
    await muster.simulators.files_com.arm({ ...fault, times: 0, match: { kind: 'other' } })
    await muster.simulators.files_com.arm({ ...fault, times: 0, match: { kind: 'lookup' } })
    try {
      // Answered while the fault lasts, which no provider ends.
      const { status, body } = await client.request<Connected>('POST', '/integrated-accounts', {
        body: {
          provider: 'files_com',
          name: 'Acme',
          credentials: { type: 'api_key', api_key: 'SimulatorDemoKey-files_com' },
          config: { base_url: muster.simulators.files_com.url },
        },
      })
      expect(status).toBe(201)
      expect(body).toMatchObject({ status: 'active', test: { ok: false, status: 'unreachable' } })
    } finally {
      await muster.simulators.files_com.disarm()
    }
  })

  test('a paused account holds what is accepted, with the reason; a resumed one continues', async () => {
    const account = await muster.connect('okta')
    const paused = await client.request<Account>('POST', `/integrated-accounts/${account}/pause`)
    expect(paused.body).toMatchObject({ status: 'paused', status_reason: expect.any(String) as string })
    const { body } = await client.create<{ id: string; status: string; status_reason: string }>(
      account,
      newUser('okta'),
    )
    expect({ status: body.status, statusReason: body.status_reason }).toEqual({
      status: 'held',
      statusReason: 'The integrated account is on hold (paused): Paused by hand. Resume the account to continue.',
    })
    expect(
      (
        await client.request<{ result: { id: string }[] }>(
          'GET',
          `/operations?integrated_account_id=${account}&status=held`,
        )
      ).body.result.map(({ id }) => id),
    ).toEqual([body.id])
    const refused = await client.request<ProblemBody>('DELETE', `/integrated-accounts/${account}`)
    expect({ status: refused.status, code: refused.body.code }).toEqual({ status: 409, code: 'conflict' })
    const again = await client.request<Account>('POST', `/integrated-accounts/${account}/pause`)
    expect(again.body.status_since).toBe(paused.body.status_since)
    expect((await client.request<Account>('POST', `/integrated-accounts/${account}/resume`)).body).toMatchObject({
      status: 'active',
      status_reason: null,
    })
    expect((await muster.finished(body.id)).status).toBe('succeeded')
  })

  test('credentials that the provider rejects put the account on hold; new ones take it off', async () => {
    const account = await muster.connect('files_com', {
      credentials: { type: 'api_key', api_key: 'revoked-in-the-meantime' },
    })
    const { body } = await client.create<{ id: string; status: string }>(account, newUser('files_com'), {
      headers: { prefer: 'wait=30' },
    })
    expect(body.status).toBe('held')
    expect((await client.request<Account>('GET', `/integrated-accounts/${account}`)).body).toMatchObject({
      status: 'needs_reauth',
      status_reason: expect.any(String) as string,
    })
    const patched = await client.request<Account>('PATCH', `/integrated-accounts/${account}`, {
      body: { credentials: { type: 'api_key', api_key: 'SimulatorDemoKey-files_com' } },
    })
    expect(patched.body).toMatchObject({ status: 'active', status_reason: null })
    expect(await muster.finished(body.id)).toMatchObject({ status: 'succeeded' })
  })

  describe('meta/create', () => {
    const path = '/unified/user-directory/users/meta/create'
    interface Metadata {
      provider: string
      fields: Record<string, string>
      body_schema: { required: string[] }
      query_schema: { properties: Record<string, unknown> }
      limits: { requests: number; per_seconds: number }
      base_url: { default: string | null }
    }

    test('tells of all providers, of one, and of one account', async () => {
      const every = await client.request<{ result: Metadata[] }>('GET', path)
      expect(every.body.result.map(({ provider }) => provider)).toEqual(providerIds)
      const { body: google } = await client.request<Metadata>('GET', `${path}?provider=google_workspace`)
      expect(google).toEqual(every.body.result[3])
      expect(google.body_schema.required).toEqual(expect.arrayContaining(['password', 'first_name', 'last_name']))
      const account = await muster.connect('okta', { limits: { requests: 7, per_seconds: 3 } })
      const { body: own } = await client.request<Metadata>('GET', `${path}?integrated_account_id=${account}`)
      expect(own).toMatchObject({
        provider: 'okta',
        limits: { requests: 7, per_seconds: 3 },
        base_url: { default: muster.simulators.okta.url },
      })
    })

    test('organization_id and workspace_id are parameters of Meraki alone', async () => {
      const { body } = await client.request<{ result: Metadata[] }>('GET', path)
      const taking = body.result
        .filter(({ query_schema: { properties } }) => 'organization_id' in properties)
        .map(({ provider }) => provider)
      expect(taking).toEqual(['cisco_meraki'])
    })

    test('an account of another provider, an unknown one and an unknown provider are refused', async () => {
      const account = await muster.connect('okta')
      expect((await client.request('GET', `${path}?integrated_account_id=${account}&provider=salesforce`)).status).toBe(
        404,
      )
      expect(
        (await client.request('GET', `${path}?integrated_account_id=62f44730-dd91-461e-bd6a-aedd9e0ad79d`)).status,
      ).toBe(404)
      expect((await client.request('GET', `${path}?provider=ldap`)).status).toBe(422)
    })
  })
})
