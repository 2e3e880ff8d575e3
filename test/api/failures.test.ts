import { describe, expect, test } from 'vitest'
import { connectUnlimited, pointersOf, startContract, type ProblemBody } from '../support/contract.ts'
import { newUser } from '../support/harness.ts'

const WAIT = { prefer: 'wait=20' }

// One attempt: what the provider refuses ends at once, and can be seen by who waits.
const { muster, client } = await startContract({ environment: { MUSTER_MAX_ATTEMPTS: '1' } })
const okta = await connectUnlimited(muster, 'okta')

describe('what the provider refuses, as the synchronous API would have said it', () => {
  type Failure = ProblemBody & {
    operation: string
    origin: string
    hint: string
    raw_response: unknown
    remote_id: string | null
  }

  test('409 user_exists, with the id of the user there', async () => {
    const user = newUser('okta')
    const first = await client.create<{ id: string }>(okta, user, { headers: WAIT })
    const { status, headers, body } = await client.create<Failure>(okta, user, { headers: WAIT })
    expect(status).toBe(409)
    expect(body).toMatchObject({
      code: 'user_exists',
      remote_id: first.body.id,
      hint: expect.stringContaining('on_conflict=adopt') as string,
    })
    expect(body.operation).toBe(headers.get('location'))
    expect((await client.request('GET', body.operation)).body).toMatchObject({
      status: 'failed',
      error: { code: 'user_exists' },
    })
  })

  test('on_conflict=adopt: 200 with the user there', async () => {
    const user = newUser('okta')
    const first = await client.create<{ id: string }>(okta, user, { headers: WAIT })
    const { status, headers, body } = await client.create(okta, user, { query: 'on_conflict=adopt', headers: WAIT })
    expect(status).toBe(200)
    expect(body).toMatchObject({ id: first.body.id, first_name: 'Ada' })
    expect((await client.request('GET', headers.get('location') ?? '')).body).toMatchObject({
      status: 'succeeded',
      outcome: 'adopted',
    })
  })

  test('422 password_rejected points at the password and does not quote it', async () => {
    await muster.simulators.files_com.set({ password_require_special: true, password_min_length: 30 })
    const files = await muster.connect('files_com')
    const answer = await client.create<Failure>(
      files,
      { ...newUser('files_com'), password: 'TooShortForThisSite' },
      { headers: WAIT },
    )
    expect(answer.status).toBe(422)
    expect(answer.body).toMatchObject({ code: 'password_rejected', origin: 'provider' })
    expect(pointersOf(answer)).toEqual(['/password'])
    expect(JSON.stringify(answer.body)).not.toContain('TooShortForThisSite')
  })

  test('422 provider_validation_failed, provider_not_found and license_limit_reached', async () => {
    const refused = await client.create(
      okta,
      { ...newUser('okta'), remote_data: { profile: { shoeSize: 'x' } } },
      { headers: WAIT },
    )
    expect({ status: refused.status, code: refused.body.code }).toEqual({
      status: 422,
      code: 'provider_validation_failed',
    })

    const salesforce = await muster.connect('salesforce')
    const absent = await client.create(
      salesforce,
      { ...newUser('salesforce'), roles: [{ name: 'No Such Profile' }] },
      { headers: WAIT },
    )
    expect({ status: absent.status, code: absent.body.code, pointers: pointersOf(absent) }).toEqual({
      status: 422,
      code: 'provider_not_found',
      pointers: ['/roles/0/name'],
    })

    await muster.simulators.activecampaign.set({ seat_limit: 1 })
    const full = await client.create(await muster.connect('activecampaign'), newUser('activecampaign'), {
      headers: WAIT,
    })
    expect({ status: full.status, code: full.body.code }).toEqual({ status: 422, code: 'license_limit_reached' })
  })

  test('503 provider_unavailable says when to come again', async () => {
    const salesforce = await muster.connect('salesforce')
    await muster.simulators.salesforce.arm({ fault: 'server_error', status: 503, times: 0, match: { method: 'GET' } })
    const answer = await client.create(salesforce, newUser('salesforce'), { headers: WAIT })
    await muster.simulators.salesforce.disarm()
    expect({ status: answer.status, code: answer.body.code, retryable: answer.body.retryable }).toEqual({
      status: 503,
      code: 'provider_unavailable',
      retryable: true,
    })
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
  })

  test('424 permission_denied when the provider does not let the account create this user', async () => {
    const google = await muster.connect('google_workspace')
    const user = { ...newUser('google_workspace'), emails: [{ email: `ada.${Date.now()}@not-our-domain.example` }] }
    const answer = await client.create(google, user, { headers: WAIT })
    expect({ status: answer.status, code: answer.body.code, providerStatus: answer.body.provider_status }).toEqual({
      status: 424,
      code: 'permission_denied',
      providerStatus: 403,
    })
  })

  test('rejected credentials put the operation on hold: 202 at once, with the reason, and not an end', async () => {
    const revoked = await muster.connect('okta', { credentials: { type: 'api_token', api_token: 'revoked' } })
    const answer = await client.create<{ status: string; status_reason: string }>(revoked, newUser('okta'), {
      headers: { prefer: 'wait=60' },
    })
    expect(answer).toMatchObject({ status: 202, body: { status: 'held' } })
    expect(answer.body.status_reason).toBe(
      'The integrated account is on hold (needs_reauth): Invalid token provided. A check call was refused too. ' +
        'PATCH new credentials into the account.',
    )
  })

  test('504 outcome_unknown when no answer came and the look-up fails', async () => {
    await muster.simulators.okta.arm({ fault: 'reset_after_commit' })
    const answer = await client.create(okta, newUser('okta'), { headers: WAIT })
    expect({ status: answer.status, code: answer.body.code }).toEqual({ status: 504, code: 'outcome_unknown' })
  })
})
