import fc from 'fast-check'
import { expect, test } from 'vitest'
import { activeSecrets, rotateSecrets, type SigningSecret } from './secrets.ts'

const T0 = 1_750_000_000_000
const secret = (text: string, expiresAt: number | null = null): SigningSecret => ({
  secret: text,
  createdAt: T0,
  expiresAt,
})

test('a rotation puts the new secret first, keeps the one before until the overlap ends, and no third', () => {
  const first = rotateSecrets([], 'a', 1_000, T0)
  expect(first).toEqual([secret('a')])
  const second = rotateSecrets(first, 'b', 1_000, T0)
  expect(second).toEqual([secret('b'), secret('a', T0 + 1_000)])
  expect(rotateSecrets(second, 'c', 1_000, T0).map((one) => one.secret)).toEqual(['c', 'b'])
  expect(rotateSecrets(second, 'c', 0, T0)).toEqual([secret('c')])
})

test('a secret signs until its end, to the millisecond', () => {
  const both = [secret('b'), secret('a', T0)]
  expect(activeSecrets(both, T0 - 1).map((one) => one.secret)).toEqual(['b', 'a'])
  expect(activeSecrets(both, T0).map((one) => one.secret)).toEqual(['b'])
})

test('after any rotations one or two sign, the newest without an end, and the last one shown is among them', () => {
  const rotations = fc.array(fc.record({ overlapMs: fc.nat(10_000), afterMs: fc.nat(10_000) }), {
    minLength: 1,
    maxLength: 12,
  })
  fc.assert(
    fc.property(rotations, (list) => {
      let [secrets, now]: [SigningSecret[], number] = [[], T0]
      list.forEach(({ overlapMs, afterMs }, index) => {
        now += afterMs
        secrets = rotateSecrets(secrets, String(index), overlapMs, now)
        const active = activeSecrets(secrets, now)
        expect(active.length).toBeLessThanOrEqual(2)
        expect(active[0]).toMatchObject({ secret: String(index), expiresAt: null })
        if (index > 0 && overlapMs > 0) expect(active[1]?.secret).toBe(String(index - 1))
      })
    }),
  )
})
