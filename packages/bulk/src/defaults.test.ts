import { describe, expect, test } from 'vitest'
import { outline, read } from '../test/reading.ts'
import type { ReadOptions } from './read-rows.ts'

const uploads = {
  csv: 'first_name,last_name,email,timezone\nJürgen,Müller,a@x.de,\nJürgen,Müller,b@x.de,UTC\n',
  ndjson:
    '{"first_name":"Jürgen","last_name":"Müller","emails":[{"email":"a@x.de"}]}\n{"user":{"first_name":"Jürgen","last_name":"Müller","emails":[{"email":"b@x.de"}],"timezone":"UTC"}}\n',
}
const usersOf = async (defaults: ReadOptions['defaults'], text = uploads.csv, format: 'csv' | 'ndjson' = 'csv') => {
  const { rows, error } = await read(text, { format, ...(defaults ? { defaults } : {}) })
  expect({ error, problems: rows.flatMap(({ problems }) => problems) }).toEqual({ error: undefined, problems: [] })
  return rows.map(({ value }) => value?.user)
}

describe('defaults', () => {
  test.each(['csv', 'ndjson'] as const)('%s: fill what a row does not say, nested like the body', async (format) => {
    const defaults = { timezone: 'Europe/Berlin', emails: { 0: { type: 'work' } }, remote_data: { 'a|number': '1,5' } }
    expect(await usersOf(defaults, uploads[format], format)).toMatchObject([
      { timezone: 'Europe/Berlin', emails: [{ email: 'a@x.de', type: 'work' }], remote_data: { a: 1.5 } },
      { timezone: 'UTC', emails: [{ email: 'b@x.de', type: 'work' }], remote_data: { a: 1.5 } },
    ])
  })

  test.each(['csv', 'ndjson'] as const)('%s: are made of other fields, with a counter', async (format) => {
    const username = '{first_name|ascii|lower}.{last_name|ascii|lower}{counter}@acme.com'
    expect(await usersOf({ username }, uploads[format], format)).toMatchObject([
      { username: 'juergen.mueller@acme.com' },
      { username: 'juergen.mueller2@acme.com' },
    ])
  })

  test('count a hundred thousand of one name in no time', async () => {
    const text = `first_name\n${'Ada\n'.repeat(100_000)}`
    const users = await usersOf({ username: '{first_name|lower}{counter}' }, text)
    expect(users.at(-1)).toMatchObject({ username: 'ada100000' })
  })

  test('spell letters as the language of the row does', async () => {
    const text = 'first_name,language\nÖzgür,tr\nÖrjan,sv\nDmytro Дмитрий,\nŁukasz,pl\n'
    const users = await usersOf({ username: '{first_name|ascii|lower}' }, text)
    expect(users).toMatchObject([
      { username: 'ozgur' },
      { username: 'orjan' },
      { username: 'dmytro dmitriy' },
      { username: 'lukasz' },
    ])
  })

  test('are left out where a field of theirs is absent, and doubled braces are braces', async () => {
    const users = await usersOf(
      { username: '{last_name}', description: '{{x}} {first_name|upper}' },
      'first_name\nAda\n',
    )
    expect(users).toEqual([{ first_name: 'Ada', description: '{x} ADA' }])
  })

  test('refuse the row where a field of theirs is long: they would be made of it for each row', async () => {
    const text = `first_name,description\nAda,${'x'.repeat(256)}\n`
    const reading = await read(text, { format: 'csv', defaults: { username: '{description}' } })
    expect(outline(reading)).toEqual(['1@2 /user/username row_too_large'])
  })

  test('refuse the row where its letters have no spelling', async () => {
    const reading = await read('first_name\n日本\n', { format: 'csv', defaults: { username: '{first_name|ascii}' } })
    expect(outline(reading)).toEqual(['1@2 /user/username not_ascii'])
  })

  test.each<[string, NonNullable<ReadOptions['defaults']>]>([
    ['a field that there is not', { shoe: '1' }],
    ['a field in braces that there is not', { username: '{shoe}' }],
    ['a filter that there is not', { username: '{first_name|reverse}' }],
    ['an open brace', { username: '{first_name' }],
    ['a password', { password: 'x' }],
    ['a password in braces', { username: '{password}' }],
    ['a text of 256 characters', { username: 'x'.repeat(256) }],
    ['31 fields', { remote_data: Object.fromEntries(Array.from({ length: 31 }, (_, at) => [`f${at}`, 'x'])) }],
    ['a name of a prototype', { remote_data: { constructor: 'x' } }],
  ])('%s is refused', async (_title, defaults) => {
    expect((await read(uploads.csv, { format: 'csv', defaults })).error?.code).toBe('invalid_defaults')
  })
})
