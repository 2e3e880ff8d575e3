import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { ProviderId } from '../../packages/contracts/src/provider-ids.ts'
import { pointersOf, startContract, type ProblemBody } from '../support/contract.ts'
import { eventually, newUser } from '../support/harness.ts'
import { sampleOf } from '../support/samples.ts'

interface Operation extends Record<string, unknown> {
  id: string
  status: string
  outcome: string | null
  remote_id: string | null
  error: { code: string; message: string } | null
}

const unique = (): string => randomBytes(5).toString('hex')
/** The answer is lost, or nothing was done: either way only a look-up can tell. */
const lostAfterCommit = { fault: 'server_error', status: 502, after_commit: true }
const lostBeforeCommit = { fault: 'server_error', status: 502 }

const { muster, client } = await startContract({
  // A look-up that gets no answer is given up soon, and an unknown outcome after two attempts.
  environment: { MUSTER_MAX_ATTEMPTS: '2', MUSTER_PROVIDER_TIMEOUT_MS: '300' },
})

describe('who is created, and under which login', () => {
  const run = async (accountId: string, body: unknown, query = ''): Promise<Operation> => {
    const { status, body: accepted } = await client.create<Operation>(accountId, body, { query })
    if (status !== 202) throw new Error(`${status}: ${JSON.stringify(accepted)}`)
    return (await muster.finished(accepted.id)) as Operation
  }
  const createdAt = async (provider: ProviderId): Promise<string[]> =>
    (await muster.simulators[provider].ledger()).created.map(({ key }) => key)

  describe('salesforce takes the names of fields in any case', () => {
    const salesforceUser = (more: Record<string, unknown>) => ({
      first_name: 'Tom',
      last_name: 'Taken',
      timezone: 'Europe/London',
      roles: [{ name: 'Standard User' }],
      ...more,
    })

    test('on_conflict=adopt adopts the user that remote_data names, and not the one that has the e-mail', async () => {
      const account = await muster.connect('salesforce')
      const tag = unique()
      const ada = { ...salesforceUser({ emails: [{ email: `ada.${tag}@example.com` }] }), first_name: 'Ada' }
      const tom = salesforceUser({
        emails: [{ email: `tom.${tag}@example.com` }],
        username: `taken.${tag}@corp.example`,
      })
      await run(account, ada)
      const { remote_id: tomsId } = await run(account, tom)
      const body = salesforceUser({
        emails: [{ email: `ada.${tag}@example.com` }],
        remote_data: { username: `taken.${tag}@corp.example` },
      })
      expect(await run(account, body, 'on_conflict=adopt')).toMatchObject({ outcome: 'adopted', remote_id: tomsId })
    })

    test('two creates of one login are not under way at once, however remote_data spells the field', async () => {
      const account = await muster.connect('salesforce')
      await client.request('POST', `/integrated-accounts/${account}/pause`)
      const login = `one.${unique()}@corp.example`
      const emails = [{ email: 'tom@example.com' }]
      expect((await client.create(account, salesforceUser({ emails, username: login }))).status).toBe(202)
      const second = await client.create<ProblemBody>(
        account,
        salesforceUser({ emails, remote_data: { USERNAME: login } }),
      )
      expect({ status: second.status, code: second.body.code }).toEqual({ status: 409, code: 'operation_in_progress' })
      const twice = salesforceUser({ emails, remote_data: { Username: login, username: `b.${login}` } })
      const third = await client.create(account, twice)
      expect({ status: third.status, pointers: pointersOf(third) }).toEqual({
        status: 422,
        pointers: ['/remote_data/username'],
      })
    })

    test('a lost answer is found again under the name that remote_data gave', async () => {
      const account = await muster.connect('salesforce')
      await muster.simulators.salesforce.arm(lostAfterCommit)
      const login = `lost.${unique()}@corp.example`
      const body = salesforceUser({ emails: [{ email: 'tom@example.com' }], remote_data: { username: login } })
      expect(await run(account, body)).toMatchObject({ status: 'succeeded', outcome: 'created' })
      expect((await createdAt('salesforce')).filter((key) => key === login)).toEqual([login])
    })

    test('a username may have several @', async () => {
      const account = await muster.connect('salesforce')
      const username = `ada@acme.com@portal.${unique()}`
      const body = salesforceUser({ emails: [{ email: 'tom@example.com' }], username })
      expect(await run(account, body)).toMatchObject({ status: 'succeeded' })
    })

    test('a changed config creates no other user than the accepted one, at whatever attempt', async () => {
      const account = await muster.connect('salesforce')
      const emails = [{ email: `waits.${unique()}@example.com` }]
      const patch = (username_suffix: string) =>
        client.request('PATCH', `/integrated-accounts/${account}`, { body: { config: { username_suffix } } })
      const before = (await createdAt('salesforce')).length

      await client.request('POST', `/integrated-accounts/${account}/pause`)
      const waiting = await client.create<Operation>(account, salesforceUser({ emails }))
      await patch('.other')
      await client.request('POST', `/integrated-accounts/${account}/resume`)
      expect(await muster.finished(waiting.body.id)).toMatchObject({
        status: 'failed',
        error: { code: 'validation_failed', origin: 'muster' },
      })
      expect(await createdAt('salesforce')).toHaveLength(before)
      const retried = await client.request<ProblemBody>('POST', `/operations/${waiting.body.id}/retry`)
      expect({ status: retried.status, errors: retried.body.errors }).toMatchObject({
        status: 422,
        errors: [{ pointer: '/emails/0/email', code: 'other_login' }],
      })

      await muster.simulators.salesforce.arm({ ...lostAfterCommit, match: { kind: 'create' } })
      await muster.simulators.salesforce.arm({ fault: 'dropped_lookup', times: 0 })
      const lost = await client.create<Operation>(account, salesforceUser({ emails }))
      await muster.simulators.salesforce.until(({ created }) => created.length === before + 1)
      await client.request('POST', `/integrated-accounts/${account}/pause`)
      await patch('.third')
      await muster.simulators.salesforce.disarm()
      await client.request('POST', `/integrated-accounts/${account}/resume`)
      expect(await muster.finished(lost.body.id)).toMatchObject({
        status: 'failed',
        error: { code: 'outcome_unknown' },
      })
      expect(await createdAt('salesforce')).toHaveLength(before + 1)
    }, 30_000)
  })

  test('what may have been created is looked up where it was sent, or not at all', async () => {
    const account = await muster.connect('okta')
    const before = (await createdAt('okta')).length
    await muster.simulators.okta.arm(lostAfterCommit)
    await muster.simulators.okta.arm({ fault: 'dropped_lookup', times: 0 })
    const { body } = await client.create<Operation>(account, newUser('okta'))
    await muster.simulators.okta.until(({ created }) => created.length === before + 1)
    await client.request('POST', `/integrated-accounts/${account}/pause`)
    const move = (base_url: string) =>
      client.request('PATCH', `/integrated-accounts/${account}`, {
        body: { config: { base_url }, credentials: sampleOf('okta').credentials },
      })
    const elsewhere = muster.simulators.files_com.url
    expect((await move(elsewhere)).status).toBe(200)
    await client.request('POST', `/integrated-accounts/${account}/resume`)
    expect(await muster.finished(body.id)).toMatchObject({
      status: 'failed',
      error: { code: 'outcome_unknown', message: expect.stringContaining('base_url') as string },
    })
    await muster.simulators.okta.disarm()
    await move(muster.simulators.okta.url)
    await client.request('POST', `/operations/${body.id}/retry`)
    expect(await muster.finished(body.id)).toMatchObject({ status: 'succeeded', outcome: 'created' })
    expect(await createdAt('okta')).toHaveLength(before + 1)
  }, 30_000)

  test('activecampaign: a username with spaces around it is sent as it is looked up after a lost answer', async () => {
    const account = await muster.connect('activecampaign')
    await muster.simulators.activecampaign.arm(lostAfterCommit)
    const username = `sp${unique()}`
    const user = { ...newUser('activecampaign'), username: ` ${username} ` }
    expect(await run(account, user)).toMatchObject({ status: 'succeeded' })
    expect(await createdAt('activecampaign')).toEqual([username])
  }, 20_000)

  test.each<[ProviderId, Record<string, unknown>, string]>([
    ['google_workspace', { emails: [{ email: '.ada.l@example.com' }] }, '/emails/0/email'],
    ['google_workspace', { emails: [{ email: 'ada.l.@example.com' }] }, '/emails/0/email'],
    ['google_workspace', { remote_data: { primary_email: 'tom@example.com' } }, '/remote_data'],
    ['okta', { username: 'ada\u200b@example.com' }, '/username'],
    ['okta', { remote_data: { profile: { login: null } } }, '/remote_data/profile/login'],
    ['activecampaign', { username: '..' }, '/username'],
    ['files_com', { remote_data: { username: ' ada ' } }, '/remote_data/username'],
    ['cisco_meraki', { remote_data: { email: 7 } }, '/remote_data/email'],
  ])('%s: %j has no login to look up, and is refused', async (provider, more, pointer) => {
    const account = await muster.connect(provider)
    const answer = await client.create(account, { ...newUser(provider), ...more })
    expect({ status: answer.status, pointers: pointersOf(answer) }).toEqual({ status: 422, pointers: [pointer] })
  })

  test.each(['..', '.', '', '1/../2', '%2e%2e'])(
    'an organization_id of %j is refused before anything is queued, and leads nowhere',
    async (id) => {
      const account = await muster.connect('cisco_meraki', { config: { organization_id: undefined } })
      const query = `organization_id=${encodeURIComponent(id)}`
      const answer = await client.create(account, newUser('cisco_meraki'), { query })
      expect({ status: answer.status, pointers: pointersOf(answer) }).toEqual({
        status: 422,
        pointers: ['?organization_id'],
      })
      expect(await client.countOperations(account)).toBe(0)
      const config = await client.request('PATCH', `/integrated-accounts/${account}`, {
        body: { config: { workspace_id: id } },
      })
      expect({ status: config.status, pointers: pointersOf(config) }).toEqual({
        status: 422,
        pointers: ['/config/workspace_id'],
      })
    },
  )

  describe('a login that another user holds', () => {
    /** As an administrator would do it. */
    async function atGoogle(method: string, path: string, body?: Record<string, unknown>): Promise<void> {
      const { url } = muster.simulators.google_workspace
      const { client_id = '', client_secret = '', refresh_token = '' } = sampleOf('google_workspace').credentials
      const form = new URLSearchParams({ grant_type: 'refresh_token', client_id, client_secret, refresh_token })
      const token = (await (await fetch(`${url}/token`, { method: 'POST', body: form })).json()) as {
        access_token: string
      }
      const response = await fetch(`${url}/admin/directory/v1/users/${path}`, {
        method,
        headers: { authorization: `Bearer ${token.access_token}`, 'content-type': 'application/json' },
        ...(body && { body: JSON.stringify(body) }),
      })
      if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`)
    }

    test('google: an alias of another user is that user, after a lost answer as at once, and is not adopted', async () => {
      await muster.simulators.google_workspace.set({ settling_ms: 0 })
      const account = await muster.connect('google_workspace')
      const holder = await run(account, newUser('google_workspace'))
      const alias = `alias.${unique()}@example.com`
      await atGoogle('POST', `${holder.remote_id}/aliases`, { alias })
      const user = { ...newUser('google_workspace'), emails: [{ email: alias }] }
      const exists = { status: 'failed', remote_id: holder.remote_id, error: { code: 'user_exists' } }
      expect(await run(account, user)).toMatchObject(exists)
      expect(await run(account, user, 'on_conflict=adopt')).toMatchObject(exists)
      await muster.simulators.google_workspace.arm(lostBeforeCommit)
      expect(await run(account, user)).toMatchObject(exists)
    }, 30_000)

    test('google: an administrator of the customer is a user, too', async () => {
      const account = await muster.connect('google_workspace')
      const user = { ...newUser('google_workspace'), emails: [{ email: 'admin@example.com' }] }
      await muster.simulators.google_workspace.arm(lostBeforeCommit)
      expect(await run(account, user)).toMatchObject({
        status: 'failed',
        remote_id: expect.any(String) as string,
        error: { code: 'user_exists' },
      })
    })

    test('google: a deleted user keeps the address for a while', async () => {
      await muster.simulators.google_workspace.set({ settling_ms: 0 })
      const account = await muster.connect('google_workspace')
      const user = newUser('google_workspace', `o'brien.${unique()}`)
      const deleted = await run(account, user)
      await atGoogle('DELETE', deleted.remote_id ?? '')
      const exists = { status: 'failed', remote_id: deleted.remote_id, error: { code: 'user_exists' } }
      expect(await run(account, user, 'on_conflict=adopt')).toMatchObject(exists)
    })

    test('activecampaign: another user with the e-mail, where the account wants it to be unique', async () => {
      await muster.simulators.activecampaign.set({ email_is_unique: true })
      const account = await muster.connect('activecampaign')
      const first = newUser('activecampaign')
      const holder = await run(account, first)
      const second = { ...newUser('activecampaign'), emails: first.emails }
      expect(await run(account, second)).toMatchObject({
        status: 'failed',
        remote_id: holder.remote_id,
        error: { code: 'user_exists' },
      })
    })
  })

  describe('a retry', () => {
    test('creates under no other login than the first, so one operation makes one user', async () => {
      const account = await muster.connect('okta')
      await muster.simulators.okta.arm({ fault: 'timeout_after_commit' })
      await muster.simulators.okta.arm({ fault: 'dropped_lookup', times: 0 })
      const user = newUser('okta')
      const before = (await createdAt('okta')).length
      const { id, error } = await run(account, user)
      expect(error).toMatchObject({ code: 'outcome_unknown' })
      await muster.simulators.okta.disarm()
      const retry = (body: Record<string, unknown>) =>
        client.request<ProblemBody>('POST', `/operations/${id}/retry`, { body })
      const other = await retry({ remote_data: { profile: { login: `other.${unique()}@example.com` } } })
      expect({ status: other.status, errors: other.body.errors }).toMatchObject({
        status: 422,
        errors: [{ pointer: '/remote_data/profile/login', code: 'other_login' }],
      })
      const email = await retry({ remote_data: { profile: { Login: 'x@example.com' } } })
      expect({ status: email.status, pointers: pointersOf(email) }).toEqual({ status: 422, pointers: ['/remote_data'] })
      const late = await retry({ expires_at: '9999-01-01T00:00:00Z' })
      expect({ status: late.status, pointers: pointersOf(late) }).toEqual({ status: 422, pointers: ['/expires_at'] })
      expect((await retry({ remote_data: { profile: { nickName: 'Ada' } } })).status).toBe(202)
      expect(await muster.finished(id)).toMatchObject({ status: 'succeeded', outcome: 'created' })
      expect(await createdAt('okta')).toHaveLength(before + 1)
    }, 30_000)

    test.each<[ProviderId, Record<string, unknown>, string]>([
      ['activecampaign', { user: { username: 'other' } }, '/remote_data/user/username'],
      ['cisco_meraki', { email: 'other@example.com' }, '/remote_data/email'],
      ['files_com', { username: 'other' }, '/remote_data/username'],
      ['google_workspace', { primaryEmail: 'other@example.com' }, '/remote_data/primaryEmail'],
      ['okta', { profile: { login: 'other@example.com' } }, '/remote_data/profile/login'],
      ['salesforce', { USERNAME: 'other@example.com' }, '/remote_data/USERNAME'],
    ])('%s: refuses %j, and takes the login of the first request in another case', async (provider, patch, pointer) => {
      const account = await muster.connect(provider)
      await client.request('POST', `/integrated-accounts/${account}/pause`)
      const user = newUser(provider)
      const { body } = await client.create<Operation>(account, user)
      await client.request('POST', `/operations/${body.id}/cancel`)
      const retry = (remote_data: Record<string, unknown>) =>
        client.request<ProblemBody>('POST', `/operations/${body.id}/retry`, {
          body: { remote_data, ...(user.password === undefined ? {} : { password: user.password }) },
        })
      const other = await retry(patch)
      expect({ status: other.status, errors: other.body.errors }).toMatchObject({
        status: 422,
        errors: [{ pointer, code: 'other_login' }],
      })
      const [{ email }] = user.emails as [{ email: string }]
      const login = String(user.username ?? email).toUpperCase()
      const same = JSON.parse(JSON.stringify(patch).replace(/other(@example.com)?/, login)) as Record<string, unknown>
      expect((await retry(same)).status).toBe(202)
    })

    test('does not turn an administrator into a network user', async () => {
      const account = await muster.connect('cisco_meraki')
      await client.request('POST', `/integrated-accounts/${account}/pause`)
      const { body } = await client.create<Operation>(account, { ...newUser('cisco_meraki'), roles: undefined })
      await client.request('POST', `/operations/${body.id}/cancel`)
      const answer = await client.request('POST', `/operations/${body.id}/retry`, {
        body: { remote_data: { authorizations: [{ ssidNumber: 1 }], password: 'Correct-Horse-9' } },
      })
      expect({ status: answer.status, pointers: pointersOf(answer) }).toMatchObject({
        status: 422,
        pointers: ['/remote_data'],
      })
    })
  })

  test('rows that are retried as a batch pass the same check as a create', async () => {
    const account = await muster.connect('salesforce')
    const row = { ...newUser('salesforce'), username: undefined, roles: [{ name: 'Made Later' }] }
    const upload = await client.upload<{ id: string }>(
      `/unified/user-directory/users/bulk?integrated_account_id=${account}`,
      JSON.stringify({ user: row }),
      { 'content-type': 'application/x-ndjson' },
    )
    interface Batch extends Record<string, unknown> {
      status: string
      retry_skipped: number
      counts: { failed: number }
    }
    const read = async () => (await client.request<Batch>('GET', `/batches/${upload.body.id}`)).body
    await eventually(read, ({ status }) => status === 'completed')
    await client.request('PATCH', `/integrated-accounts/${account}`, {
      body: { config: { username_suffix: '.other' } },
    })
    await client.request('POST', `/batches/${upload.body.id}/retry`)
    const batch = await eventually(read, ({ status, retry_skipped }) => status === 'completed' && retry_skipped > 0)
    expect(batch).toMatchObject({ retry_skipped: 1, counts: { failed: 1 } })
  })
})
