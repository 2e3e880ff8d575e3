import { describe, expect, test } from 'vitest'
import { providerIds } from '../../packages/contracts/src/provider-ids.ts'
import { isSameUser } from '../../packages/providers/src/engine/same-user.ts'
import { providerOf } from '../../packages/providers/src/registry.ts'
import { describeProvider } from '../../packages/providers/test/conformance.ts'
import { recordSample } from '../support/recorded-sample.ts'

const samples = []
for (const provider of providerIds.map(providerOf)) samples.push({ provider, sample: await recordSample(provider) })

describe.each(samples)('$provider.id with the answers of its simulator', ({ provider, sample }) => {
  test('reads back the user that was sent', () => {
    expect(sample.user.id).not.toBe('')
    expect(isSameUser(sample.minimal, sample.user)).toBe(true)
  })

  describeProvider(provider, sample)
})
