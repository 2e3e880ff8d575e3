import { expect, test } from 'vitest'
import { createRecentKeys } from './recent-keys.ts'
import type { ApiKeyRecord } from './tenants.ts'

const record: ApiKeyRecord = { id: 'k', tenantId: 't', name: '', scopes: [], prefix: 'mk_live_', createdAt: 0 }

function stage(most?: number) {
  const state = {
    now: 0,
    reads: [] as string[],
    found: record as ApiKeyRecord | undefined,
    error: undefined as unknown,
  }
  const keys = createRecentKeys(
    async (hash) => {
      state.reads.push(hash)
      if (state.error) throw state.error
      return state.found
    },
    { now: () => state.now, ...(most === undefined ? {} : { most }) },
  )
  return { state, keys }
}

test('a key is read once a second, however many requests come with it at once', async () => {
  const { state, keys } = stage()
  await Promise.all([keys.find('a'), keys.find('a')])
  state.now = 999
  expect(await keys.find('a')).toBe(record)
  expect(state.reads).toEqual(['a'])
})

test('a key that another process has revoked works for a second after it was read, and no longer', async () => {
  const { state, keys } = stage()
  await keys.find('a')
  state.found = undefined
  state.now = 999
  expect(await keys.find('a')).toBe(record)
  // Using it does not keep it.
  state.now = 1_000
  expect(await keys.find('a')).toBeUndefined()
})

test('one that this process has revoked works no more', async () => {
  const { state, keys } = stage()
  await keys.find('a')
  state.found = undefined
  keys.forget('a')
  expect(await keys.find('a')).toBeUndefined()
})

test('one that is being read while it is revoked is not kept', async () => {
  const { state, keys } = stage()
  const reading = keys.find('a')
  keys.forget('a')
  await reading
  state.found = undefined
  expect(await keys.find('a')).toBeUndefined()
})

test('what is unknown, or could not be read, is asked again', async () => {
  const { state, keys } = stage()
  state.found = undefined
  expect(await keys.find('a')).toBeUndefined()
  state.error = new Error('away')
  await expect(keys.find('a')).rejects.toThrow('away')
  Object.assign(state, { error: undefined, found: record })
  expect(await keys.find('a')).toBe(record)
  expect(keys.size).toBe(1)
})

test('no more than so many are kept; the longest known leaves first', async () => {
  const { state, keys } = stage(2)
  for (const hash of ['a', 'b', 'c']) await keys.find(hash)
  expect(keys.size).toBe(2)
  await keys.find('c')
  await keys.find('a')
  expect(state.reads).toEqual(['a', 'b', 'c', 'a'])
})
