import { afterAll, beforeAll, test } from 'vitest'
import { newUser, startMuster, type Muster } from '../support/harness.ts'
import { startReceiver, type Receiver } from '../support/receiver.ts'

let receiver: Receiver
let muster: Muster
beforeAll(async () => {
  receiver = await startReceiver()
  muster = await startMuster({ allowedHosts: [receiver.host] })
})
afterAll(async () => {
  await muster.close()
  await receiver.close()
})

const urlOf = (path: string): string => `http://${receiver.host}${path}`

test('a secret that was shown signs, and a new address holds, whatever else changes the endpoint at the same moment', async () => {
  const { body: endpoint } = await muster.request<{ id: string }>('POST', '/webhook-endpoints', {
    body: { url: urlOf('/0') },
  })
  for (let round = 1; round <= 20; round += 1) {
    const [rotated] = await Promise.all([
      muster.request<{ secret: string }>('POST', `/webhook-endpoints/${endpoint.id}/rotate-secret`, {
        body: { overlap_hours: 0 },
      }),
      muster.request('PATCH', `/webhook-endpoints/${endpoint.id}`, { body: { url: urlOf(`/${round}`) } }),
    ])
    await muster.request('POST', `/webhook-endpoints/${endpoint.id}/test`)
    const [received] = await receiver.until(({ path }) => path === `/${round}`)
    if (received) receiver.verify(received, rotated.body.secret)
  }
}, 60_000)

test('of callback secrets that are made at the same moment each one that was shown signs', async () => {
  const okta = await muster.connect('okta')
  for (let round = 1; round <= 10; round += 1) {
    const made = await Promise.all([1, 2].map(() => muster.request<{ secret: string }>('POST', '/callback-secret')))
    await muster.create(okta, newUser('okta'), { query: `callback_url=${urlOf(`/callback/${round}`)}` })
    const [received] = await receiver.until(({ path }) => path === `/callback/${round}`)
    if (received) for (const { body } of made) receiver.verify(received, body.secret)
  }
}, 60_000)
