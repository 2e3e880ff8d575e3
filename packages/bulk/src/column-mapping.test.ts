import { describe, expect, test } from 'vitest'
import { mapColumns, toMappedItem } from './column-mapping.ts'
import { knownNames, shorthands, toTarget } from './column-target.ts'
import { UploadError } from './upload-error.ts'

const item = (headers: string[], cells: string[], mapping?: Record<string, string>): unknown =>
  toMappedItem(mapColumns(headers, mapping), cells).value

function refusal(headers: string[], mapping?: Record<string, string>): { code: string; detail: string } | undefined {
  try {
    mapColumns(headers, mapping)
  } catch (error) {
    if (error instanceof UploadError) return { code: error.code, detail: error.detail }
    throw error
  }
  return undefined
}

describe('where a column goes', () => {
  test.each<[string, string, unknown]>([
    ['first_name', 'Ada', { user: { first_name: 'Ada' } }],
    [' First-Name ', 'Ada', { user: { first_name: 'Ada' } }],
    ['EMAIL', 'a@x.de', { user: { emails: [{ email: 'a@x.de' }] } }],
    ['Emails[0].Is Primary', 'No', { user: { emails: [{ is_primary: false }] } }],
    ['phones[1].number', '+1', { user: { phones: [{ number: '+1' }] } }],
    ['group', ' 42 ', { user: { group: 42 } }],
    ['group_id', '42', { user: { groups: [{ id: '42' }] } }],
    ['languages', 'en;de ; ', { user: { languages: ['en', 'de'] } }],
    ['languages[0]', 'en;de', { user: { languages: ['en;de'] } }],
    ['remote_data.profile.costCenter', '007', { user: { remote_data: { profile: { costCenter: '007' } } } }],
    ['Remote Data.a[0].b', 'x', { user: { remote_data: { a: [{ b: 'x' }] } } }],
    ['reference', 'r', { reference: 'r', user: {} }],
    ['callback_url', 'https://x.de', { callback_url: 'https://x.de', user: {} }],
    ['remote_query.activate', 'false', { remote_query: { activate: 'false' }, user: {} }],
    ['truto_ignore_remote_data', 'TRUE', { truto_ignore_remote_data: true, user: {} }],
    ['truto_exclude_fields', 'id;name', { truto_exclude_fields: ['id', 'name'], user: {} }],
    ['password', ' with spaces ', { user: { password: ' with spaces ' } }],
    ['group', '  ', { user: {} }],
  ])('%s', (header, cell, expected) => {
    expect(item([header], [cell])).toEqual(expected)
  })

  test.each(knownNames())('%s is a header that is understood', (name) => {
    expect(toTarget(name)).toBeTypeOf('object')
  })

  test('every option of a row is a header, dry_run is not', () => {
    expect(knownNames()).toEqual(
      expect.arrayContaining([
        'reference',
        'integrated_account_id',
        'on_conflict',
        'not_before',
        'expires_at',
        'callback_url',
        'organization_id',
        'workspace_id',
        'truto_response_format',
        ...Object.keys(shorthands),
      ]),
    )
    expect(refusal(['dry_run'])?.code).toBe('unknown_headers')
  })

  test('absent entries leave no hole in a list', () => {
    expect(
      item(['emails[0].email', 'emails[2].email', 'emails[1].email', 'remote_data.a[5][7]'], ['', 'c', 'b', 'x']),
    ).toEqual({ user: { emails: [{ email: 'b' }, { email: 'c' }], remote_data: { a: [['x']] } } })
  })

  test('the mapping of the client comes first, and an empty target ignores a column', () => {
    expect(
      item(['Vorname', 'email', 'Notes'], ['Ada', 'ada', 'x'], {
        VORNAME: 'first_name',
        email: 'username',
        notes: ' ',
      }),
    ).toEqual({ user: { first_name: 'Ada', username: 'ada' } })
  })
})

describe('what is refused', () => {
  test('every unknown header is listed, with the nearest known one', () => {
    const { code, detail } = refusal(['firstname', 'e-mial', 'first_name', 'shoe size']) ?? {}
    expect(code).toBe('unknown_headers')
    expect(detail).toContain('"firstname" (did you mean first_name?), "e-mial" (did you mean email?), "shoe size"')
  })

  test('a file with semicolons between its columns is recognised', () => {
    expect(refusal(['first_name;email'])?.detail).toContain('columns are separated by commas')
  })

  test('a list of unknown headers has an end', () => {
    expect(refusal(Array.from({ length: 5000 }, (_, index) => `column ${index}`))?.detail.length).toBeLessThan(5000)
  })

  test.each([
    'emails',
    'emails[0]',
    'emails.email',
    'emails[x].email',
    'emails[0].shoe',
    'emails[-1].email',
    'first_name.x',
    'reference[0]',
    'remote_data',
    'remote_data[0]',
    'user.first_name',
    'a..b',
    'languages[0][1]',
    'toString',
    'hasOwnProperty',
  ])('%s goes nowhere', (header) => {
    expect(refusal([header])?.code).toBe('unknown_headers')
  })

  test.each([
    '__proto__',
    'constructor',
    'remote_data.__proto__.polluted',
    'remote_data.a.constructor',
    'remote_query.Prototype',
    'emails[100].email',
    `remote_data${'.a'.repeat(10)}`,
  ])('%s is not allowed', (header) => {
    expect(refusal([header])?.code).toBe('invalid_headers')
    expect(refusal(['x'], { x: header })?.code).toBe('invalid_headers')
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false)
  })

  test('a column under the name of a prototype cannot be ignored either, since it would be echoed', () => {
    expect(refusal(['__proto__', 'email'], { ['__proto__']: '' })?.code).toBe('invalid_headers')
  })

  test.each([
    ['email', 'emails[0].email'],
    ['languages', 'languages[0]'],
    ['remote_data.a', 'remote_data.a.b'],
    ['remote_data.a.b', 'remote_data.a'],
    ['remote_data.a[0]', 'remote_data.a.b'],
  ])('%s and %s fill the same place', (first, second) => {
    expect(refusal([first, second])?.code).toBe('conflicting_headers')
  })

  test.each([
    ['First Name', 'first_name'],
    ['email', 'EMAIL'],
  ])('%s and %s are one header', (first, second) => {
    expect(refusal([first, second])?.code).toBe('duplicate_headers')
  })

  test('the largest index and the deepest path that are allowed', () => {
    expect(refusal(['emails[99].email', `remote_data${'.a'.repeat(9)}`])).toBeUndefined()
  })
})
