import { accountStatusSchema } from '@muster/contracts/integrated-account'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { AccountRecord } from './record.ts'
import {
  accountTransitions,
  hold,
  isHeld,
  noteRecheck,
  pause,
  recheckAt,
  release,
  replaceCredentials,
  resume,
  setCooldown,
} from './state.ts'

const T0 = 1_750_000_000_000
const account: AccountRecord = {
  id: 'a',
  tenantId: 't',
  provider: 'okta',
  name: 'Acme',
  status: 'active',
  statusReason: null,
  statusSince: T0,
  credentialType: 'api_token',
  credentialsVersion: 1,
  config: {},
  limits: {},
  createdAt: T0,
  updatedAt: T0,
}

type Name = keyof typeof accountTransitions
/** Every change, with the credentials that the account has. */
const changes: Record<Name, (record: AccountRecord, now: number) => (AccountRecord | undefined)[]> = {
  hold: (record, now) =>
    (['needs_reauth', 'permission_denied'] as const).map((status) =>
      hold(record, { status, reason: 'refused', credentialsVersion: record.credentialsVersion }, now),
    ),
  noteRecheck: (record, now) => [
    noteRecheck(record, { reason: 'refused', credentialsVersion: record.credentialsVersion }, now),
  ],
  release: (record, now) => [release(record, record.credentialsVersion, now)],
  replaceCredentials: (record, now) => [replaceCredentials(record, 'api_token', now)],
  pause: (record, now) => [pause(record, now)],
  resume: (record, now) => [resume(record, now)],
}
const names = Object.keys(changes) as Name[]

describe('the transition table', () => {
  test.each(names)('%s is possible from the statuses it names, and leads to those it names', (name) => {
    for (const status of accountStatusSchema.options) {
      const { from, to }: { from: readonly string[]; to: readonly string[] } = accountTransitions[name]
      // With a cooldown, so that resuming an active account changes something.
      const record = { ...account, status, cooldown: { until: T0 + 1, reason: 'r', probes: 0 } }
      const written = changes[name](record, T0 + 1).filter((next) => next !== undefined)
      expect(written.length > 0, `${name} from ${status}`).toBe(from.includes(status))
      for (const next of written) expect(to, `${name} from ${status}`).toContain(next.status)
    }
  })

  test('a refusal or a check of earlier credentials changes nothing', () => {
    const held: AccountRecord = { ...account, status: 'needs_reauth', credentialsVersion: 2 }
    const refusal = { status: 'needs_reauth', reason: 'r', credentialsVersion: 1 } as const
    expect(hold({ ...account, credentialsVersion: 2 }, refusal, T0)).toBeUndefined()
    expect(noteRecheck(held, { reason: 'r', credentialsVersion: 1 }, T0)).toBeUndefined()
    expect(release(held, 1, T0)).toBeUndefined()
  })
})

describe('in any order of changes', () => {
  test('a hold has a reason and a next check, a pause ends only by resuming, and versions only grow', () => {
    const steps = fc.array(fc.record({ name: fc.constantFrom(...names), pick: fc.nat(1), laterMs: fc.nat(86_400_000) }))
    fc.assert(
      fc.property(steps, (all) => {
        let record = account
        let now = T0
        for (const { name, pick, laterMs } of all) {
          now += laterMs
          const next = changes[name](record, now)[name === 'hold' ? pick : 0]
          if (!next) continue
          expect(next.credentialsVersion).toBeGreaterThanOrEqual(record.credentialsVersion)
          if (next.status !== record.status) expect(next.statusSince).toBe(now)
          if (record.status === 'paused' && next.status !== 'paused') expect(name).toBe('resume')
          if (isHeld(next)) {
            expect(next.statusReason).not.toBeNull()
            expect(next.recheck).toBeDefined()
            expect(recheckAt(next, 60_000)).toBeGreaterThan(now)
          }
          record = next
        }
      }),
    )
  })
})

describe('a cooldown', () => {
  const cooldown = { until: T0 + 60_000, reason: 'r', probes: 0 }

  test('is written once for calls that were under way together, and again when it says something new', () => {
    const cooling = setCooldown(account, cooldown)
    expect(cooling).toEqual({ ...account, cooldown })
    const record = cooling ?? account
    expect(setCooldown(record, { ...cooldown, until: cooldown.until + 100 })).toBeUndefined()
    expect(setCooldown(record, { ...cooldown, probes: 1 })).toMatchObject({ cooldown: { probes: 1 } })
    expect(setCooldown(record, null)).toMatchObject({ cooldown: null })
    expect(setCooldown(account, null)).toBeUndefined()
  })

  test('ends when the account is resumed by hand, and not when it is paused', () => {
    expect(resume({ ...account, cooldown }, T0)).toMatchObject({ status: 'active', cooldown: null })
    expect(resume(account, T0)).toBeUndefined()
    expect(pause({ ...account, cooldown }, T0)).toMatchObject({ status: 'paused', cooldown })
  })
})
