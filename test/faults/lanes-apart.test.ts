import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWebhookStage, type WebhookStage } from '../support/webhook-stage.ts'

let stage: WebhookStage
beforeAll(async () => {
  // Longer than the test: what hangs here hangs to its end.
  stage = await startWebhookStage({ environment: { MUSTER_WEBHOOK_TIMEOUT_MS: '60000' } })
})
afterAll(async () => {
  await stage.muster.close()
  await stage.receiver.close()
})

test('eighty deliveries of one tenant that hang delay none of another to the same origin', async () => {
  const { muster, receiver } = stage
  const { adminKey: key } = await muster.bootstrap()
  receiver.behave(() => undefined, '/hang')
  for (const name of ['first', 'second']) {
    const endpoint = await stage.register('/hang', { concurrency: 40, description: name }, key)
    for (let event = 0; event < 40; event += 1)
      await muster.request('POST', `/webhook-endpoints/${endpoint.id}/test`, { key })
  }
  await receiver.until(({ path }) => path === '/hang', 80)
  const prompt = await stage.register('/prompt')
  const delivery = await stage.delivery((await stage.send(prompt.id)).id)
  expect(delivery).toMatchObject({ status: 'delivered', attempts: [{ reason: null }] })
})
