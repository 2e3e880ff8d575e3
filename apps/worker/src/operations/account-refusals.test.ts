import type { Connection } from '@muster/providers/engine/connection'
import type { RemoteFailure, RemoteResponse } from '@muster/providers/provider'
import { providerOf } from '@muster/providers/registry'
import { describe, expect, test } from 'vitest'
import { AccountRefusals, confirmRefusal } from './account-refusals.ts'

const okta = providerOf('okta')
const account = { config: { base_url: 'https://acme.okta.com' }, credentialType: 'api_token' } as const

const oktaError = (status: number, errorCode: string): RemoteResponse => ({
  status,
  headers: {},
  body: { errorCode, errorSummary: `Okta's ${errorCode}` },
  isJson: true,
})
const fine: RemoteResponse = { status: 200, headers: {}, body: [], isJson: true }
const firewall: RemoteResponse = { status: 403, headers: {}, body: '<html>blocked</html>', isJson: false }

/** A connection whose every call is answered so; counts them. */
function answering(answer: RemoteResponse | Error): { connection: Connection; calls: string[] } {
  const calls: string[] = []
  const call = (purpose: string): Promise<RemoteResponse> => {
    calls.push(purpose)
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer)
  }
  return { connection: { read: call, write: call, clockOffsetMs: () => 0 }, calls }
}

const denied = okta.classifyFailure(oktaError(403, 'E0000006'))
const rejected = okta.classifyFailure(oktaError(401, 'E0000011'))
const final: RemoteFailure = { ...rejected, certainty: 'final' }

describe('a refusal of an account', () => {
  test.each<[string, RemoteFailure, number, RemoteResponse | Error, object | undefined, string[]]>([
    ['is believed at once where it is final', final, 1, fine, { status: 'needs_reauth' }, []],
    [
      'by 401 is believed when the check is refused too',
      rejected,
      1,
      oktaError(401, 'E0000011'),
      { status: 'needs_reauth' },
      ['check'],
    ],
    ['by 401 is not believed when the check succeeds', rejected, 1, fine, undefined, ['check']],
    ['by 401 is not believed when the check gets no answer', rejected, 9, new Error('cut'), undefined, ['check']],
    ['by 401 is not believed when a firewall answers the check', rejected, 9, firewall, undefined, ['check']],
    ['in doubt is tried again first', denied, 1, oktaError(403, 'E0000006'), undefined, []],
    ['in doubt is tried again twice', denied, 2, oktaError(403, 'E0000006'), undefined, []],
    [
      'in doubt is believed when the check is refused too',
      denied,
      3,
      oktaError(403, 'E0000006'),
      { status: 'permission_denied' },
      ['check'],
    ],
    [
      'in doubt becomes what the check says',
      denied,
      3,
      oktaError(401, 'E0000011'),
      { status: 'needs_reauth' },
      ['check'],
    ],
    ['in doubt waits while the provider is down', denied, 3, oktaError(503, 'E0000009'), undefined, ['check']],
    ['of every create is believed although it may read', denied, 3, fine, { status: 'permission_denied' }, ['check']],
  ])('%s', async (_, failure, rounds, answer, expected, called) => {
    const { connection, calls } = answering(answer)
    const confirmed = await confirmRefusal({ provider: okta, account, connection, failure, rounds })
    expect(calls).toEqual(called)
    if (expected === undefined) return expect(confirmed).toBeUndefined()
    expect(confirmed).toMatchObject(expected)
    expect(confirmed?.reason.startsWith(failure.message)).toBe(true)
    expect(confirmed?.reason.slice(failure.message.length)).toMatch(/^$|^\. (A check call was|Refused 3 times)/)
  })
})

describe('refusals in a row', () => {
  test('count by rounds, cool down longer each time, and begin again after an answer', () => {
    const refusals = new AccountRefusals()
    expect(refusals.refused('a', 0)).toEqual({ rounds: 1, cooldownMs: 1_000 })
    expect(refusals.refused('a', 400)).toEqual({ rounds: 1, cooldownMs: 600 })
    expect(refusals.refused('b', 400)).toEqual({ rounds: 1, cooldownMs: 1_000 })
    expect(refusals.refused('a', 1_000)).toEqual({ rounds: 2, cooldownMs: 2_000 })
    expect(refusals.refused('a', 3_000)).toEqual({ rounds: 3, cooldownMs: 4_000 })
    refusals.answered('a')
    expect(refusals.refused('a', 3_100)).toEqual({ rounds: 1, cooldownMs: 1_000 })
  })

  test('cool down for a minute at most', () => {
    const refusals = new AccountRefusals()
    let now = 0
    for (let count = 0; count < 20; count += 1) now += refusals.refused('a', now).cooldownMs
    expect(refusals.refused('a', now).cooldownMs).toBe(60_000)
  })

  test('that come together are confirmed by one check', async () => {
    const refusals = new AccountRefusals()
    let runs = 0
    const run = async (): Promise<undefined> => void (runs += 1)
    await Promise.all([refusals.confirm('a', run), refusals.confirm('a', run), refusals.confirm('b', run)])
    await refusals.confirm('a', run)
    expect(runs).toBe(3)
  })
})
