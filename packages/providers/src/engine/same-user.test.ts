import type { UnifiedUser, UnifiedUserInput } from '@muster/contracts/unified-user'
import { describe, expect, test } from 'vitest'
import { isSameUser, ownershipOf } from './same-user.ts'

const SENT = Date.parse('2026-03-01T10:00:00Z')
const ada: UnifiedUserInput = { first_name: 'Ada', last_name: 'Lovelace', emails: [{ email: 'ada@example.com' }] }
const found: UnifiedUser = { id: '1', first_name: 'Ada', last_name: 'Lovelace', emails: [{ email: 'ada@example.com' }] }
const isSame = (user: UnifiedUserInput, other: Partial<UnifiedUser>) =>
  isSameUser({ user, remoteQuery: {} }, { ...found, ...other })

describe('the same user', () => {
  test.each<[string, UnifiedUserInput, Partial<UnifiedUser>, boolean]>([
    ['the same names and address', ada, {}, true],
    [
      'in other letters and spaces',
      { ...ada, first_name: ' ADA ', last_name: 'Love  lace' },
      { last_name: 'love lace', emails: [{ email: 'Ada@Example.com' }] },
      true,
    ],
    ['composed otherwise', { ...ada, first_name: 'Zoe\u0308' }, { first_name: 'Zo\u00eb' }, true],
    ['another first name', ada, { first_name: 'Augusta' }, false],
    ['another last name', ada, { last_name: 'Byron' }, false],
    ['another address', ada, { emails: [{ email: 'ada@other.example' }] }, false],
    [
      'another primary address',
      ada,
      { emails: [{ email: 'ada@example.com' }, { email: 'x@y.z', is_primary: true }] },
      false,
    ],
    ['what was not sent is not compared', { emails: ada.emails }, { first_name: 'Anybody' }, true],
    ['a field the provider leaves empty is not compared', ada, { first_name: null, last_name: null, emails: [] }, true],
    ['a full name where that was sent', { name: 'Ada Lovelace' }, { name: 'Ada Byron' }, false],
    ['a full name beside its parts is not compared', { ...ada, name: 'Countess' }, { name: 'Ada Lovelace' }, true],
    [
      'a name that remote_data wrote',
      { ...ada, remote_data: { profile: { firstName: 'Augusta' } } },
      { first_name: 'Augusta' },
      true,
    ],
    [
      'a name that remote_data did not write',
      { ...ada, remote_data: { tags: ['x'] } },
      { first_name: 'Augusta' },
      false,
    ],
  ])('%s', (_, sent, other, expected) => expect(isSame(sent, other)).toBe(expected))
})

describe('whose user it is', () => {
  const ownerOf = (createdAt: string | null, clockOffsetMs = 0, user = found) =>
    ownershipOf({ user: ada, remoteQuery: {} }, user, createdAt, SENT, clockOffsetMs)

  test.each<[string, string | null, number, string]>([
    ['created after the intent', '2026-03-01T10:00:01Z', 0, 'ours'],
    ['created in the same second, which the provider cuts off', '2026-03-01T10:00:00Z', 900, 'ours'],
    ['created yesterday', '2026-02-28T10:00:00Z', 0, 'theirs'],
    ['created a minute before', '2026-03-01T09:59:00Z', 0, 'theirs'],
    ["before by our clock, after by the provider's, which is slow", '2026-03-01T09:50:01Z', -600_000, 'ours'],
    ["after by our clock, before by the provider's, which is fast", '2026-03-01T10:05:00Z', 600_000, 'theirs'],
    ['no creation time', null, 0, 'unclear'],
    ['an unreadable creation time', 'a while ago', 0, 'unclear'],
  ])('%s', (_, createdAt, offset, expected) => expect(ownerOf(createdAt, offset)).toBe(expected))

  test("another person's, however new", () =>
    expect(ownerOf('2026-03-01T10:00:01Z', 0, { ...found, last_name: 'Byron' })).toBe('theirs'))
})
