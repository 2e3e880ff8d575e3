import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { providerIds } from '../../packages/contracts/src/provider-ids.ts'
import { newUser, startMuster, type Muster } from '../support/harness.ts'

describe('one user into every directory, from the HTTP request to the provider and back', () => {
  let muster: Muster
  beforeAll(async () => {
    muster = await startMuster()
  })
  afterAll(() => muster.close())

  test.each(providerIds)('%s: accepted, polled, and there once', async (provider) => {
    const accountId = await muster.connect(provider)
    const accepted = await muster.create<{ id: string; status: string }>(accountId, newUser(provider), {
      headers: { prefer: 'respond-async' },
    })
    expect(accepted.status).toBe(202)
    expect(accepted.headers.get('location')).toBe(`/operations/${accepted.body.id}`)
    expect(Number(accepted.headers.get('retry-after'))).toBeGreaterThan(0)

    const operation = await muster.finished(accepted.body.id)
    expect(operation).toMatchObject({
      status: 'succeeded',
      outcome: 'created',
      provider,
      error: null,
      attempt_count: 1,
    })
    const ledger = await muster.simulators[provider].ledger()
    expect(ledger.created.map((entry) => entry.id)).toContain(operation.remote_id)
    expect(ledger.created).toHaveLength(1)

    const view = async (query: string) =>
      (await muster.request<{ result: Record<string, unknown> }>('GET', `/operations/${accepted.body.id}?${query}`))
        .body.result
    const unified = await view('')
    expect(unified).toMatchObject({ id: operation.remote_id, remote_data: expect.anything() as unknown })
    expect(await view('truto_response_format=raw')).toEqual(unified.remote_data)
    const normalized = await view('truto_response_format=normalized&truto_ignore_remote_data=true')
    expect(Object.keys(normalized)).toEqual(
      expect.arrayContaining(['id', 'external_id', 'licenses', 'urls', 'activated_at']),
    )
    expect(normalized).not.toHaveProperty('remote_data')
    expect(await view('truto_exclude_fields[]=id&truto_exclude_fields[]=emails')).not.toHaveProperty('emails')
  })
})
