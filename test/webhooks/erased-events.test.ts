import { expect, test } from 'vitest'
import { newUser, startMuster } from '../support/harness.ts'
import { answer, startReceiver } from '../support/receiver.ts'

test('an operation that was erased before its webhooks arrived is reported without personal data, and its callback address is gone', async () => {
  const receiver = await startReceiver()
  const muster = await startMuster({
    allowedHosts: [receiver.host],
    environment: { MUSTER_WEBHOOK_SCHEDULE: '2,2,2,2,2' },
  })
  try {
    receiver.behave(answer(503))
    const base = `http://${receiver.host}`
    await muster.request('POST', '/webhook-endpoints', { body: { url: `${base}/full`, payload: 'full' } })
    await muster.request('POST', '/callback-secret')
    const { id } = (
      await muster.create<{ id: string }>(await muster.connect('okta'), newUser('okta'), {
        query: `reference=employee-7&callback_url=${base}/callback`,
      })
    ).body
    const first = await receiver.until(() => true, 2)
    expect(first.map(({ event }) => event.data.reference)).toEqual(['employee-7', 'employee-7'])
    expect(first.find(({ path }) => path === '/full')?.body).toContain('Lovelace')

    expect((await muster.request('DELETE', `/operations/${id}`)).status).toBe(200)
    const had = receiver.ledger.length
    receiver.behave(answer(204))
    await receiver.until(({ status }) => status === 204, 2)
    for (const { event, body } of receiver.ledger.slice(had).filter(({ status }) => status === 204)) {
      expect(event.data).toEqual({
        operation_id: id,
        status: 'succeeded',
        integrated_account_id: expect.any(String),
        provider: 'okta',
        batch_id: null,
        reference: null,
        remote_id: null,
        outcome: 'created',
        error: null,
        links: { self: `/operations/${id}` },
      })
      expect(body).not.toContain('Lovelace')
    }
    expect(new Set(receiver.ledger.map(({ event }) => event.id))).toHaveProperty('size', 1)
  } finally {
    await muster.close()
    await receiver.close()
  }
}, 60_000)
