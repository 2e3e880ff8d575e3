import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  normalizeUser,
  toLanguageTag,
  toResponseView,
  toTimeZone,
  toUtc,
  unifiedUserFields,
  type ResponseFormat,
} from './response-format.ts'
import { unifiedUserSchema, type UnifiedUser } from './unified-user.ts'

const text = fc.option(
  fc.oneof(
    fc.string(),
    fc.constantFrom('Ada@Example.COM', 'no-at-sign-X', 'en_GB', 'Asia/Calcutta', '2026-03-01T10:00:00.000+0200'),
  ),
  { nil: null },
)
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
const named = fc.record({ id: text, name: text })
const anyUser = fc
  .record(
    {
      id: fc.string(),
      name: text,
      emails: fc.array(
        fc.record({
          email: fc.oneof(fc.emailAddress(), fc.string()),
          type: text,
          is_primary: fc.option(fc.boolean(), { nil: null }),
        }),
        { maxLength: 3 },
      ),
      phones: fc.array(fc.record({ number: fc.string(), extension: text }), { maxLength: 2 }),
      roles: fc.array(named, { maxLength: 2 }),
      groups: optional(fc.array(named, { maxLength: 2 })),
      organizations: fc.array(named, { maxLength: 2 }),
      licenses: fc.array(fc.record({ id: text, last_active_at: text }), { maxLength: 2 }),
      urls: fc.array(fc.record({ url: fc.webUrl() }), { maxLength: 2 }),
      timezone: optional(text),
      languages: fc.array(fc.oneof(fc.string(), fc.constantFrom('en_US', 'EN-gb', 'zh-hans-cn', 'de')), {
        maxLength: 3,
      }),
      created_at: optional(text),
      is_2fa_enabled: optional(fc.boolean()),
    },
    { requiredKeys: ['id'] },
  )
  .map((user) => user as UnifiedUser)

describe('the normalized view', () => {
  test('has every unified field, whatever the provider gave', () => {
    const published = Object.keys(unifiedUserSchema.shape).filter((field) => field !== 'remote_data')
    fc.assert(
      fc.property(anyUser, (user) => {
        const normalized = normalizeUser(user)
        expect(Object.keys(normalized).sort()).toEqual([...published].sort())
        for (const value of Object.values(normalized)) expect(value).not.toBeUndefined()
      }),
    )
    expect([...unifiedUserFields, 'identifiers'].sort()).toEqual(published.sort())
  })

  test('normalizing again changes nothing', () => {
    fc.assert(
      fc.property(anyUser, (user) => {
        const once = normalizeUser(user)
        expect(normalizeUser(once as UnifiedUser & typeof once)).toEqual(once)
      }),
    )
  })

  test('fits the published schema', () => {
    fc.assert(fc.property(anyUser, (user) => void unifiedUserSchema.parse(normalizeUser(user))))
  })

  test('entries of lists have every field of theirs', () => {
    const user: UnifiedUser = {
      id: '1',
      emails: [{ email: 'Ada.L@Example.COM' }],
      phones: [{ number: '1' }],
      roles: [{ id: 'r' }],
      groups: [{ name: 'g' }],
      licenses: [{ id: 'l' }],
      organizations: [{ id: 'o' }],
      urls: [{ url: 'https://example.com' }],
    }
    expect(normalizeUser(user)).toMatchObject({
      emails: [{ email: 'Ada.L@example.com', type: null, is_primary: false }],
      phones: [{ number: '1', extension: null, type: null }],
      roles: [{ id: 'r', name: null, group: null, organization: null, workspace: null }],
      groups: [{ id: null, name: 'g', organization: null }],
      licenses: [{ id: 'l', name: null, organization: null, last_active_at: null }],
      organizations: [{ id: 'o', name: null }],
      urls: [{ url: 'https://example.com', type: null }],
    })
  })
})

describe('canonical values', () => {
  test.each([
    ['2026-03-01T10:00:00.000+0000', '2026-03-01T10:00:00.000Z'],
    ['2018-08-29T10:45:00-05:00', '2018-08-29T15:45:00.000Z'],
    ['2026-03-01 10:00:00Z', '2026-03-01T10:00:00.000Z'],
    ['2026-03-01', '2026-03-01T00:00:00.000Z'],
  ])('the moment %s is %s', (given, expected) => expect(toUtc(given)).toBe(expected))

  test.each(['never 1', '5', 'Room 7', '', '2026-03-01T10:00:00', '2026-13-40T10:00:00Z', 'soon'])(
    '"%s" is ambiguous, and stays',
    (given) => expect(toUtc(given)).toBe(given),
  )

  test.each([
    ['en_US', 'en-US'],
    ['EN-gb', 'en-GB'],
    ['zh_hans_cn', 'zh-Hans-CN'],
    ['English (US)', 'English (US)'],
    ['', ''],
  ])('the language %s is %s', (given, expected) => expect(toLanguageTag(given)).toBe(expected))

  test.each([
    ['europe/london', 'Europe/London'],
    ['Asia/Calcutta', 'Asia/Kolkata'],
    ['Asia/Kolkata', 'Asia/Kolkata'],
    ['Europe/Kyiv', 'Europe/Kyiv'],
    ['America/Argentina/Buenos_Aires', 'America/Argentina/Buenos_Aires'],
    ['Etc/UTC', 'UTC'],
    ['Eastern Time (US & Canada)', 'Eastern Time (US & Canada)'],
  ])('the time zone %s is %s', (given, expected) => expect(toTimeZone(given)).toBe(expected))

  test('every zone that this Node knows keeps the name it is given the second time', () => {
    for (const zone of Intl.supportedValuesOf('timeZone')) expect(toTimeZone(toTimeZone(zone))).toBe(toTimeZone(zone))
  })
})

describe('views of a stored result', () => {
  const result = { user: { id: '1', name: 'Ada' }, remoteData: { Id: '1', secret_view: [1] } }
  const view = (format: ResponseFormat, ignoreRemoteData = false, excludeFields: string[] = []) =>
    toResponseView(result, { format, ignoreRemoteData, excludeFields })

  test('unified: the mapped user and the body it came from', () => {
    expect(view('unified')).toEqual({ id: '1', name: 'Ada', remote_data: result.remoteData })
    expect(view('unified', true)).toEqual({ id: '1', name: 'Ada' })
  })

  test('raw: the body as it came, even one that is not an object', () => {
    expect(view('raw')).toEqual(result.remoteData)
    expect(
      toResponseView(
        { ...result, remoteData: ['a'] },
        { format: 'raw', ignoreRemoteData: false, excludeFields: ['id'] },
      ),
    ).toEqual(['a'])
  })

  test('excluded fields leave the answer in every format', () => {
    expect(view('unified', false, ['name', 'remote_data'])).toEqual({ id: '1' })
    expect(view('raw', false, ['Id'])).toEqual({ secret_view: [1] })
    expect(view('normalized', false, ['emails'])).not.toHaveProperty('emails')
  })

  test('the stored result stays as it is', () => {
    const before = structuredClone(result)
    for (const format of ['unified', 'raw', 'normalized'] as const) view(format, true, ['id'])
    expect(result).toEqual(before)
  })
})
