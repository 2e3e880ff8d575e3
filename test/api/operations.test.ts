import { describe, expect, test } from 'vitest'
import { connectUnlimited, pointersOf, startContract, type ProblemBody } from '../support/contract.ts'
import { eventually, newUser } from '../support/harness.ts'

const inOneHour = (): string => new Date(Date.now() + 3_600_000).toISOString()

interface Operation {
  id: string
  status: string
  reference: string | null
  created_at: string
  error: { code: string; hint: string } | null
  links: { self: string; cancel?: string; retry?: string }
}
interface Page {
  result: Operation[]
  next_cursor: string | null
}

const { muster, client } = await startContract({ environment: { MUSTER_MAX_ATTEMPTS: '1' } })
const okta = await connectUnlimited(muster, 'okta')

describe('operations', () => {
  /** Accepted, and not due for an hour. */
  const createWaiting = async (accountId: string, user: unknown = newUser('okta'), query = '') =>
    (await client.create<Operation>(accountId, user, { query: `not_before=${inOneHour()}${query}` })).body

  describe('reading one', () => {
    test('a long poll answers as soon as the operation ends, and says how it was asked', async () => {
      const { body } = await client.create<Operation>(okta, newUser('okta'))
      const {
        status,
        headers,
        body: read,
      } = await client.request<Operation>('GET', `/operations/${body.id}`, { headers: { prefer: 'wait=20' } })
      expect({ status, readStatus: read.status }).toEqual({ status: 200, readStatus: 'succeeded' })
      expect(headers.get('preference-applied')).toBe('wait=20')
      expect(headers.get('vary')?.toLowerCase()).toContain('prefer')
      expect(headers.get('retry-after')).toBeNull()
    })

    test('an unfinished one says when to come again, and a wait that runs out gives it as it is', async () => {
      const { id } = await createWaiting(okta)
      const { headers, body } = await client.request<Operation>('GET', `/operations/${id}`, {
        headers: { prefer: 'wait=1' },
      })
      expect(body.status).toBe('queued')
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
    })

    test('an ETag that still holds is answered 304, weak, in a list or as a star, and each view has its own', async () => {
      const { id } = await createWaiting(okta)
      const etag = (await client.request('GET', `/operations/${id}`)).headers.get('etag') ?? ''
      for (const tag of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
        const { status, headers } = await client.request('GET', `/operations/${id}`, {
          headers: { 'if-none-match': tag },
        })
        expect({ status, etag: headers.get('etag') }, tag).toEqual({ status: 304, etag })
      }
      expect(
        (await client.request('GET', `/operations/${id}`, { headers: { 'if-none-match': '"other"' } })).status,
      ).toBe(200)
      await client.request('POST', `/operations/${id}/cancel`)
      expect((await client.request('GET', `/operations/${id}`, { headers: { 'if-none-match': etag } })).status).toBe(
        200,
      )
    })

    test('an id is read in upper case too', async () => {
      const { id } = await createWaiting(okta)
      expect((await client.request<Operation>('GET', `/operations/${id.toUpperCase()}`)).body.id).toBe(id)
    })
  })

  describe('listing', () => {
    test('pages newest first, each operation once, and the last page says so', async () => {
      const account = await muster.connect('okta')
      const ids: string[] = []
      for (let count = 0; count < 7; count += 1) ids.unshift((await createWaiting(account)).id)
      for (const limit of [1, 3, 7, 100]) {
        const seen: string[] = []
        let cursor: string | null = null
        let pages = 0
        do {
          const { body }: { body: Page } = await client.request<Page>(
            'GET',
            `/operations?integrated_account_id=${account}&limit=${limit}${cursor ? `&cursor=${cursor}` : ''}`,
          )
          seen.push(...body.result.map(({ id }) => id))
          cursor = body.next_cursor
          pages += 1
        } while (cursor !== null)
        expect(seen).toEqual(ids)
        expect(pages).toBe(Math.ceil(7 / limit))
      }
    })

    test('filters by account, status, provider, reference and time, alone and together', async () => {
      const stranger = await muster.bootstrap()
      const key = stranger.adminKey
      const connected = [await muster.connect('okta', { key }), await muster.connect('files_com', { key })] as const
      const create = async (account: string, provider: 'okta' | 'files_com', query: string) =>
        (await client.create<Operation>(account, newUser(provider), { query, key })).body
      const first = await create(connected[0], 'okta', `not_before=${inOneHour()}&reference=one`)
      const second = await create(connected[0], 'okta', `not_before=${inOneHour()}&reference=two`)
      const third = await create(connected[1], 'files_com', `not_before=${inOneHour()}&reference=one`)
      await client.request('POST', `/operations/${second.id}/cancel`, { key })
      const list = async (query: string) =>
        (await client.request<Page>('GET', `/operations?${query}`, { key })).body.result.map(({ id }) => id)
      expect(await list('')).toEqual([third.id, second.id, first.id])
      expect(await list(`integrated_account_id=${connected[0]}`)).toEqual([second.id, first.id])
      expect(await list('status=canceled')).toEqual([second.id])
      expect(await list('provider=files_com')).toEqual([third.id])
      expect(await list('reference=one')).toEqual([third.id, first.id])
      expect(await list(`reference=one&integrated_account_id=${connected[0]}`)).toEqual([first.id])
      expect(await list('reference=one&provider=okta&status=queued')).toEqual([first.id])
      expect(await list('status=succeeded')).toEqual([])
      expect(await list(`created_after=${second.created_at}&created_before=${second.created_at}`)).toContain(second.id)
      expect(await list(`created_before=${encodeURIComponent('2020-01-01T00:00:00+01:00')}`)).toEqual([])
      expect(await list(`created_after=${new Date(Date.now() + 60_000).toISOString()}`)).toEqual([])
    })

    test('tells everything that is wrong with the filters at once', async () => {
      const answer = await client.request(
        'GET',
        '/operations?limit=0&cursor=abc&status=done&provider=ldap&created_after=yesterday&integrated_account_id=1&reference=&colour=red',
      )
      expect(answer.status).toBe(422)
      expect(pointersOf(answer).sort()).toEqual([
        '?colour',
        '?created_after',
        '?cursor',
        '?integrated_account_id',
        '?limit',
        '?provider',
        '?reference',
        '?status',
      ])
    })
  })

  describe('cancel and retry', () => {
    test('what waits can be canceled, once, and links say what is possible', async () => {
      const operation = await createWaiting(okta)
      expect(operation.links).toEqual({
        self: `/operations/${operation.id}`,
        cancel: `/operations/${operation.id}/cancel`,
      })
      const canceled = await client.request<Operation>('POST', operation.links.cancel ?? '')
      expect(canceled.body).toMatchObject({
        status: 'canceled',
        error: { code: 'canceled' },
        links: { retry: `/operations/${operation.id}/retry` },
      })
      const again = await client.request<ProblemBody>('POST', `/operations/${operation.id}/cancel`)
      expect({ status: again.status, code: again.body.code }).toEqual({ status: 409, code: 'operation_not_cancelable' })
    })

    test('a success cannot be retried', async () => {
      const { body } = await client.create<Operation>(okta, newUser('okta'))
      expect((await muster.finished(body.id)).status).toBe('succeeded')
      const answer = await client.request<ProblemBody>('POST', `/operations/${body.id}/retry`)
      expect({ status: answer.status, code: answer.body.code }).toEqual({
        status: 409,
        code: 'operation_not_retryable',
      })
    })

    test('a failed one runs again, with no body at all', async () => {
      const salesforce = await muster.connect('salesforce')
      const user = { ...newUser('salesforce'), roles: [{ name: 'Made Later' }] }
      const { body } = await client.create<Operation>(salesforce, user)
      expect(await muster.finished(body.id)).toMatchObject({ status: 'failed', error: { code: 'provider_not_found' } })
      const retried = await client.request<Operation>('POST', `/operations/${body.id}/retry`)
      expect(retried).toMatchObject({ status: 202, body: { status: 'queued' } })
      expect(retried.headers.get('location')).toBe(`/operations/${body.id}`)
      expect(await muster.finished(body.id)).toMatchObject({ status: 'failed', attempt_count: 2 })
    })

    test('a password is gone when the operation ends, and must be given again', async () => {
      const google = await muster.connect('google_workspace')
      const user = newUser('google_workspace')
      const { id } = await createWaiting(google, user)
      await client.request('POST', `/operations/${id}/cancel`)
      const without = await client.request('POST', `/operations/${id}/retry`, { body: {} })
      expect({ status: without.status, pointers: pointersOf(without) }).toEqual({
        status: 422,
        pointers: ['/password'],
      })
      const expired = await client.request('POST', `/operations/${id}/retry`, {
        body: { password: 'Another-Horse-8', expires_at: '2020-01-01T00:00:00Z' },
      })
      expect({ status: expired.status, pointers: pointersOf(expired) }).toEqual({
        status: 422,
        pointers: ['/expires_at'],
      })
      expect(
        (await client.request('POST', `/operations/${id}/retry`, { body: { password: 'Another-Horse-8' } })).status,
      ).toBe(202)
      expect((await muster.finished(id)).status).toBe('succeeded')
    })

    test('a retry while another operation creates the same login is refused with that operation', async () => {
      const user = newUser('okta')
      const first = await createWaiting(okta, user)
      await client.request('POST', `/operations/${first.id}/cancel`)
      const second = await createWaiting(okta, user)
      const answer = await client.request<ProblemBody>('POST', `/operations/${first.id}/retry`)
      expect({ status: answer.status, code: answer.body.code, operation: answer.body.operation }).toEqual({
        status: 409,
        code: 'operation_in_progress',
        operation: `/operations/${second.id}`,
      })
      expect(answer.headers.get('location')).toBe(`/operations/${second.id}`)
    })

    test('without its account it can be read, and not be retried', async () => {
      const account = await muster.connect('okta')
      const { id } = await createWaiting(account)
      await client.request('POST', `/operations/${id}/cancel`)
      expect((await client.request('DELETE', `/integrated-accounts/${account}`)).status).toBe(204)
      expect((await client.request<Operation>('GET', `/operations/${id}`)).body.status).toBe('canceled')
      const answer = await client.request<ProblemBody>('POST', `/operations/${id}/retry`)
      expect({ status: answer.status, code: answer.body.code }).toEqual({
        status: 409,
        code: 'operation_not_retryable',
      })
    })
  })

  test('expires_at ends what has not begun', async () => {
    const account = await muster.connect('okta')
    await client.request('POST', `/integrated-accounts/${account}/pause`)
    const { body } = await client.create<Operation>(account, newUser('okta'), {
      query: `expires_at=${new Date(Date.now() + 500).toISOString()}`,
    })
    expect(body.status).toBe('held')
    const ended = await eventually(
      async () => (await client.request<Operation>('GET', `/operations/${body.id}`)).body,
      ({ status }) => status === 'expired',
    )
    expect(ended).toMatchObject({ error: { code: 'expired', hint: expect.stringContaining('expires_at') as string } })
  })

  describe('erasing one', () => {
    test('takes everything about the person out and leaves a tombstone, also for who repeats the request', async () => {
      const user = newUser('okta', 'erased.person')
      const headers = { 'idempotency-key': 'erased-person' }
      const { body } = await client.create<Operation>(okta, user, { query: 'reference=erased.person', headers })
      await muster.finished(body.id)
      const erased = await client.request<Operation & { erased_at: string }>('DELETE', `/operations/${body.id}`)
      expect(erased).toMatchObject({ status: 200, body: { status: 'succeeded', reference: null } })
      expect(erased.body.erased_at).toMatch(/Z$/)
      expect(JSON.stringify((await client.request('GET', `/operations/${body.id}`)).body)).not.toContain(
        'erased.person',
      )
      const again = await client.create<Operation>(okta, user, { query: 'reference=erased.person', headers })
      expect({ status: again.status, id: again.body.id }).toEqual({ status: 202, id: body.id })
      expect((await client.request<Page>('GET', '/operations?reference=erased.person')).body.result).toEqual([])
      const twice = await client.request('DELETE', `/operations/${body.id}`)
      expect(twice.body).toEqual(erased.body)
    })

    test('is refused while the operation has not ended, and an erased one cannot be retried', async () => {
      const { id } = await createWaiting(okta)
      expect((await client.request<ProblemBody>('DELETE', `/operations/${id}`)).status).toBe(409)
      await client.request('POST', `/operations/${id}/cancel`)
      expect((await client.request<Operation>('DELETE', `/operations/${id}`)).body.links).not.toHaveProperty('retry')
      expect((await client.request<ProblemBody>('POST', `/operations/${id}/retry`)).body.code).toBe(
        'operation_not_retryable',
      )
    })
  })
})
