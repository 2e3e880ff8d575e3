import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  Crash,
  createTinyDirectory,
  tinyInput,
  tinyProvider,
  tinyProviderThatReads,
  type CreateFate,
  type FindFate,
} from '../../test/tiny-directory.ts'
import type { Outcome, UnknownOutcome } from '@muster/domain/outcome'
import { attemptCreate, type AttemptOptions } from './attempt.ts'
import { RemoteFailureError, UnresolvedInputError } from '../provider.ts'

const T0 = 1_750_000_000_000
beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: T0 }))
afterEach(() => void vi.useRealTimers())

type Directory = ReturnType<typeof createTinyDirectory>
function attempt(directory: Directory, more: Partial<AttemptOptions> = {}): Promise<Outcome> {
  return attemptCreate({
    provider: tinyProvider,
    account: { config: {}, credentialType: 'api_token' },
    input: tinyInput,
    connection: directory.connection,
    onConflict: 'fail',
    unknown: null,
    expiresAt: T0 + 3_600_000,
    lookUp: async () => undefined,
    recordIntent: async () => void directory.log.push('intent'),
    withdrawIntent: async () => void directory.log.push('withdrawn'),
    ...more,
  })
}
/** A directory in which a user has had this login since yesterday. */
function occupied(options: Parameters<typeof createTinyDirectory>[0] = {}): Directory {
  const directory = createTinyDirectory({ isUnique: true, ...options })
  directory.commit({ method: 'POST', path: '/users', body: { login: 'ada', name: 'Ada Lovelace' } }, -86_400_000)
  return directory
}
const lostAt = (at: number): UnknownOutcome => ({ firstSentAt: at, lastSentAt: at })

describe('a first attempt', () => {
  test('writes its intent, creates once, and looks nothing up', async () => {
    const directory = createTinyDirectory()
    expect(await attempt(directory)).toMatchObject({
      outcome: 'succeeded',
      how: 'created',
      remoteId: 'u1',
      body: { login: 'ada' },
      warnings: [],
    })
    expect(directory.log).toEqual(['intent', 'create: answered'])
  })

  test.each<[CreateFate, Partial<Outcome>]>([
    ['not connected', { outcome: 'retrying' }],
    ['throttled', { outcome: 'rate_limited' }],
    ['unauthorized', { outcome: 'held', code: 'credentials_rejected' }],
    ['account forbidden', { outcome: 'held', code: 'permission_denied' }],
    ['refused', { outcome: 'failed' }],
    ['lost after commit', { outcome: 'unknown' }],
    ['lost before commit', { outcome: 'unknown' }],
    ['500 after commit', { outcome: 'unknown' }],
    ['html after commit', { outcome: 'unknown' }],
  ])('whose create is %s', async (fate, expected) => {
    const directory = createTinyDirectory({ createFates: [fate] })
    expect(await attempt(directory)).toMatchObject(expected)
    expect(directory.log).toEqual(['intent', `create: ${fate}`])
  })

  test('says how long a throttling provider asks to wait, and keeps a refusal with its answer', async () => {
    expect(await attempt(createTinyDirectory({ createFates: ['throttled'] }))).toMatchObject({
      retryAfterMs: 3_000,
    })
    expect(await attempt(createTinyDirectory({ createFates: ['refused'] }))).toMatchObject({
      code: 'provider_validation_failed',
      response: { status: 400, body: { error: 'bad name' } },
    })
  })

  test('sends nothing when its intent could not be written', async () => {
    const directory = createTinyDirectory()
    await expect(attempt(directory, { recordIntent: () => Promise.reject(new Error('stale')) })).rejects.toThrow(
      'stale',
    )
    expect(directory.log).toEqual([])
  })

  test('sends nothing when its time is over by the time its permit comes', async () => {
    const directory = createTinyDirectory()
    const { write } = directory.connection
    const late: typeof write = (...values) => (vi.setSystemTime(T0 + 3_600_000), write(...values))
    expect(await attempt(directory, { connection: { ...directory.connection, write: late } })).toEqual({
      outcome: 'expired',
    })
    expect(directory.log).toEqual([])
  })

  test('sends nothing once its time is over', async () => {
    const directory = createTinyDirectory()
    expect(await attempt(directory, { expiresAt: T0 })).toEqual({ outcome: 'expired' })
    expect(directory.log).toEqual([])
  })
})

describe('look-ups before the create', () => {
  const withLookUp = {
    ...tinyProvider,
    lookUps: () => [
      {
        key: 'role',
        request: { method: 'GET' as const, path: '/roles' },
        placeholder: '<role>',
        parse: () => 'role-1',
      },
    ],
  }

  test('hand their answers to the request', async () => {
    const seen: unknown[] = []
    const provider = {
      ...withLookUp,
      toCreateRequest: (...values: Parameters<typeof tinyProvider.toCreateRequest>) => (
        seen.push(values[2]),
        tinyProvider.toCreateRequest(...values)
      ),
    }
    await attempt(createTinyDirectory(), { provider, lookUp: async ({ key }) => `answer for ${key}` })
    expect(seen).toEqual([{ role: 'answer for role' }])
  })

  test('that find no such name fail the operation, and name the field', async () => {
    const directory = createTinyDirectory()
    const provider = {
      ...withLookUp,
      toCreateRequest: () => {
        throw new UnresolvedInputError('/roles/0/name', 'No such role.')
      },
    }
    expect(await attempt(directory, { provider })).toMatchObject({
      outcome: 'failed',
      code: 'provider_not_found',
      pointer: '/roles/0/name',
    })
    expect(directory.log).toEqual([])
  })

  test('that get no answer leave nothing unknown', async () => {
    const directory = createTinyDirectory()
    const lookUp = () => Promise.reject(new RemoteFailureError({ code: 'timeout', outcome: 'unknown', message: 'm' }))
    expect(await attempt(directory, { provider: withLookUp, lookUp })).toMatchObject({ outcome: 'retrying' })
    expect(directory.log).toEqual([])
  })
})

describe('after a lost answer', () => {
  test('a user that was created since is ours', async () => {
    const directory = createTinyDirectory({ createFates: ['lost after commit'] })
    await attempt(directory)
    vi.setSystemTime(T0 + 500)
    expect(await attempt(directory, { unknown: lostAt(T0) })).toMatchObject({
      outcome: 'succeeded',
      how: 'created',
      remoteId: 'u1',
    })
    expect(directory.log.slice(2)).toEqual(['find: found'])
  })

  test('a user of unknown age is adopted, with a warning', async () => {
    const directory = createTinyDirectory({ createFates: ['lost after commit'], tellsCreation: false })
    await attempt(directory)
    expect(await attempt(directory, { unknown: lostAt(T0) })).toMatchObject({
      outcome: 'succeeded',
      how: 'adopted',
      warnings: [{ code: 'ownership_unclear' }],
    })
  })

  test('a user that was there before stands in the way, or is adopted where that was asked for', async () => {
    expect(await attempt(occupied(), { unknown: lostAt(T0) })).toMatchObject({
      outcome: 'failed',
      code: 'user_exists',
      remoteId: 'u1',
    })
    expect(await attempt(occupied(), { unknown: lostAt(T0), onConflict: 'adopt' })).toMatchObject({
      outcome: 'succeeded',
      how: 'adopted',
      remoteId: 'u1',
    })
  })

  test('a new user of another name under the login is another person', async () => {
    const directory = createTinyDirectory()
    directory.commit({ method: 'POST', path: '/users', body: { login: 'ada', name: 'Ada Byron' } })
    expect(await attempt(directory, { unknown: lostAt(T0) })).toMatchObject({
      outcome: 'failed',
      code: 'user_exists',
    })
  })

  test('no user is created again before the provider has had its time, and then one', async () => {
    const directory = createTinyDirectory()
    const unknown = lostAt(T0)
    expect(await attempt(directory, { unknown })).toEqual({ outcome: 'reconciling', at: T0 + 500 })
    vi.setSystemTime(T0 + 500)
    expect(await attempt(directory, { unknown })).toEqual({ outcome: 'reconciling', at: T0 + 2_500 })
    vi.setSystemTime(T0 + 2_500)
    expect(await attempt(directory, { unknown })).toMatchObject({ outcome: 'succeeded', how: 'created' })
    expect(directory.log).toEqual(['find: absent', 'find: absent', 'find: absent', 'intent', 'create: answered'])
  })

  test.each<[FindFate, object]>([
    ['not connected', { outcome: 'retrying' }],
    ['lost', { outcome: 'retrying' }],
    ['500', { outcome: 'retrying' }],
    ['unreadable', { outcome: 'retrying' }],
    ['throttled', { outcome: 'rate_limited' }],
    ['unauthorized', { outcome: 'held', code: 'credentials_rejected' }],
    ['refused', { outcome: 'failed', code: 'outcome_unknown', response: { status: 403 } }],
    ['html 404', { outcome: 'retrying' }],
  ])('a look-up that is %s leads to no create', async (fate, expected) => {
    const directory = createTinyDirectory({ findFates: [fate] })
    vi.setSystemTime(T0 + 60_000)
    expect(await attempt(directory, { unknown: lostAt(T0) })).toMatchObject(expected)
    expect(directory.log).toEqual([`find: ${fate}`])
  })

  test('what may have been created is looked up even when its time is over', async () => {
    const directory = createTinyDirectory({ createFates: ['lost after commit'] })
    await attempt(directory)
    vi.setSystemTime(T0 + 60_000)
    expect(await attempt(directory, { unknown: lostAt(T0), expiresAt: T0 + 1 })).toMatchObject({ outcome: 'succeeded' })
    expect(await attempt(createTinyDirectory(), { unknown: lostAt(T0), expiresAt: T0 + 1 })).toEqual({
      outcome: 'expired',
    })
  })
})

describe('a login that is taken', () => {
  test('on a first attempt names who has it, or adopts', async () => {
    expect(await attempt(occupied())).toMatchObject({
      outcome: 'failed',
      code: 'user_exists',
      message: 'The login is taken.',
      remoteId: 'u1',
      response: { status: 409 },
    })
    expect(await attempt(occupied(), { onConflict: 'adopt' })).toMatchObject({
      outcome: 'succeeded',
      how: 'adopted',
      remoteId: 'u1',
    })
  })

  test('by our own create whose answer was lost is ours', async () => {
    const directory = createTinyDirectory({
      isUnique: true,
      createFates: ['lost after commit'],
      findFates: ['answered'],
    })
    await attempt(directory)
    const [user] = directory.users
    if (user) user.visibleAt = T0 + 10_000
    vi.setSystemTime(T0 + 5_000)
    const create = directory.connection.write
    directory.connection.write = async (...values) => {
      // Indexed at last, between the look-up and the create.
      vi.setSystemTime(T0 + 10_000)
      return create(...values)
    }
    expect(await attempt(directory, { unknown: lostAt(T0) })).toMatchObject({
      outcome: 'succeeded',
      how: 'created',
      remoteId: 'u1',
    })
    expect(directory.users).toHaveLength(1)
  })

  test('is confirmed by the look-up before it is reported', async () => {
    expect(await attempt(occupied({ findFates: ['500'] }))).toMatchObject({ outcome: 'retrying' })
    expect(await attempt(occupied({ findFates: ['throttled'] }))).toMatchObject({ outcome: 'rate_limited' })
  })

  test('is a refusal even where the look-up is refused, without an id', async () => {
    const result = await attempt(occupied({ findFates: ['refused'] }))
    expect(result).toMatchObject({ outcome: 'failed', code: 'user_exists' })
    expect(result).not.toHaveProperty('remoteId')
  })

  test.each<[FindFate, object]>([
    ['500', { outcome: 'retrying' }],
    ['throttled', { outcome: 'rate_limited' }],
    ['unauthorized', { outcome: 'held', code: 'credentials_rejected' }],
    ['refused', { outcome: 'failed', code: 'user_exists' }],
  ])('cannot be adopted while the look-up is %s', async (fate, expected) => {
    expect(await attempt(occupied({ findFates: [fate] }), { onConflict: 'adopt' })).toMatchObject(expected)
  })

  test.each<[FindFate, object]>([
    ['500', { outcome: 'retrying' }],
    ['throttled', { outcome: 'rate_limited' }],
    ['refused', { outcome: 'failed', code: 'outcome_unknown' }],
  ])('after a lost answer, and the look-up is %s: it may be our own', async (fate, expected) => {
    const directory = occupied({ findFates: ['answered', fate] })
    const [user] = directory.users
    if (user) user.visibleAt = Infinity
    vi.setSystemTime(T0 + 60_000)
    expect(await attempt(directory, { unknown: lostAt(T0) })).toMatchObject(expected)
  })

  test('after a lost answer, by a user whom the look-up does not show: it may be ours, and the outcome stays unknown', async () => {
    const directory = occupied()
    const [user] = directory.users
    if (user) user.visibleAt = Infinity
    vi.setSystemTime(T0 + 60_000)
    expect(await attempt(directory, { unknown: lostAt(T0) })).toMatchObject({
      outcome: 'failed',
      code: 'outcome_unknown',
    })
    expect(await attempt(directory)).toMatchObject({ outcome: 'failed', code: 'user_exists' })
  })
})

describe('a provider that answers an id only', () => {
  test('is asked for the record', async () => {
    const directory = createTinyDirectory()
    expect(await attempt(directory, { provider: tinyProviderThatReads })).toMatchObject({
      outcome: 'succeeded',
      remoteId: 'u1',
      body: { login: 'ada' },
      warnings: [],
    })
    expect(directory.log).toEqual(['intent', 'create: answered', 'read'])
  })

  test.each(['lost', '500', 'aborted'] as const)('a read that is %s does not undo the create', async (readFate) => {
    const directory = createTinyDirectory({ readFate })
    expect(await attempt(directory, { provider: tinyProviderThatReads })).toMatchObject({
      outcome: 'succeeded',
      how: 'created',
      remoteId: 'u1',
      body: undefined,
      warnings: [{ code: 'read_failed' }],
    })
  })
})

/** What a worker does with outcomes, in short: keeps what is unknown, waits, continues until the end. */
async function runToEnd(directory: Directory, maxAttempts: number): Promise<Outcome | undefined> {
  let unknown = null as UnknownOutcome | null
  for (let count = 0; count < maxAttempts; count += 1) {
    const intent: { at?: number } = {}
    let result: Outcome | undefined
    try {
      result = await attempt(directory, {
        unknown,
        expiresAt: Infinity,
        recordIntent: async () => void (intent.at = Date.now()),
      })
    } catch (error) {
      if (!(error instanceof Crash)) throw error
    }
    if (result && ['succeeded', 'failed', 'expired'].includes(result.outcome)) return result
    if (intent.at !== undefined && (!result || result.outcome === 'unknown'))
      unknown = { firstSentAt: unknown?.firstSentAt ?? intent.at, lastSentAt: Date.now() }
    vi.setSystemTime(result?.outcome === 'reconciling' ? result.at : Date.now() + 700)
  }
  return undefined
}

const createFate = fc.constantFrom<CreateFate>(
  'answered',
  'lost after commit',
  'lost before commit',
  'commit after loss',
  '500 after commit',
  '500 before commit',
  'html after commit',
  'crash after commit',
  'crash before commit',
  'not connected',
  'throttled',
  'unauthorized',
  'refused',
)
const findFate = fc.constantFrom<FindFate>(
  'answered',
  'answered',
  'answered',
  'not connected',
  'lost',
  '500',
  'throttled',
  'unauthorized',
  'refused',
  'unreadable',
)

describe('whatever becomes of the calls', () => {
  test('no user is created twice, and no create follows a lost one without a look-up that found none', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(createFate, { maxLength: 8 }),
        fc.array(findFate, { maxLength: 12 }),
        fc.boolean(),
        fc.boolean(),
        async (createFates, findFates, tellsCreation, isUnique) => {
          vi.setSystemTime(T0)
          const directory = createTinyDirectory({ createFates, findFates, tellsCreation, isUnique })
          const result = await runToEnd(directory, 60)

          expect(directory.users.length).toBeLessThanOrEqual(1)
          const { log } = directory
          log.forEach((entry, at) => {
            if (!/^create: (lost|commit|500|html|crash)/.test(entry)) return
            const next = log.findIndex((later, position) => position > at && later.startsWith('create'))
            if (next !== -1) expect(log.slice(at, next)).toContain('find: absent')
            if (next !== -1) expect(log[next - 1]).toBe('find: absent')
          })
          expect(result, 'it comes to an end').toBeDefined()
          if (result?.outcome === 'succeeded') expect(directory.users.map(({ id }) => id)).toEqual([result.remoteId])
          if (result?.outcome === 'failed' && result.code !== 'outcome_unknown') expect(directory.users).toEqual([])
        },
      ),
      { numRuns: 1_000 },
    )
  })
})
