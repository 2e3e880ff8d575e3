import { expect, test } from 'vitest'
import { toNaturalKey as ofActiveCampaign } from '../activecampaign/request.ts'
import { toNaturalKey as ofFilesCom } from '../files-com/request.ts'
import { foldLogin, toNaturalKey as ofOkta } from '../okta/request.ts'

const heap = `a${'\u0301\u0316'.repeat(100_000)}`

test.each([
  ['ActiveCampaign', ofActiveCampaign, { user: { username: heap } }],
  ['Files.com', ofFilesCom, { username: heap }],
  ['Okta', ofOkta, { profile: { login: heap } }],
])('a login that is a heap of marks costs %s no more than another', (_name, toNaturalKey, remoteData) => {
  const { sent } = toNaturalKey({ user: { remote_data: remoteData }, remoteQuery: {} })
  expect(sent).toBe(heap)
})

test('marks of a login at Okta count neither composed nor apart', () => {
  expect(['Zo\u00EB', 'zoe\u0308', 'ZOE'].map(foldLogin)).toEqual(['zoe', 'zoe', 'zoe'])
})
