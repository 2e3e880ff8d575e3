import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { outline, read, readCase } from '../test/reading.ts'
import type { ReadOptions } from './read-rows.ts'

const csv: ReadOptions = { format: 'csv' }
const valuesOf = async (input: string | Buffer, options: ReadOptions = csv, cuts?: number[]) => {
  const { rows, error } = await read(input, options, cuts)
  expect({ error, problems: rows.flatMap(({ problems }) => problems) }).toEqual({ error: undefined, problems: [] })
  return rows.map(({ value }) => value?.user)
}

describe('what separates cells', () => {
  test.each<[string, string]>([
    ['commas', 'first_name,last_name\nAda,L;|\n'],
    ['semicolons', 'first_name;last_name\nAda;"L;|"\n'],
    ['tabs', 'first_name\tlast_name\nAda\tL;|\n'],
    ['bars', 'first_name|last_name\nAda|"L;|"\n'],
    ['a delimiter inside a quoted header', '"First,Name";last_name\nAda;"L;|"\n'],
    ['the line that Excel writes for itself', 'sep=;\r\nfirst_name;last_name\r\nAda;"L;|"\r\n'],
    ['that line in quotes and capitals', '"SEP=^"\nfirst_name^last_name\nAda^L;|\n'],
  ])('%s', async (_title, text) => {
    expect(await valuesOf(text, { ...csv, mapping: { 'first,name': 'first_name' } })).toEqual([
      { first_name: 'Ada', last_name: 'L;|' },
    ])
  })

  test('headers that are known count more than signs in others', async () => {
    const mapping = { 'Title, degree, rank': '', 'Notes, all': '' }
    expect(await valuesOf('Title, degree, rank;email;Notes, all\nDr.;ada@x.de;x\n', { ...csv, mapping })).toEqual([
      { emails: [{ email: 'ada@x.de' }] },
    ])
  })

  test.each(['[false,"\\""]', '"a;b\n', 'a;"b"c\n'])('misplaced quotes are reported: %s', async (text) => {
    expect((await read(text, csv)).error?.code).toBe('malformed_header')
  })

  test.each([';', 'semicolon'])('it can be named (%s), and goes before what the file says', async (delimiter) => {
    expect(await valuesOf('sep=,\nemail;role\na@x.de;r\n', { ...csv, delimiter })).toEqual([
      { emails: [{ email: 'a@x.de' }], roles: [{ name: 'r' }] },
    ])
  })

  test.each(['', 'ab', '"', 'a', '\n'])('%j is none', async (delimiter) => {
    expect((await read('email\na\n', { ...csv, delimiter })).error?.code).toBe('invalid_delimiter')
  })

  test.each([
    ['named', '"first_name":"last\nname"\nAda:L\n', { delimiter: ':', mapping: { 'last name': 'last_name' } }],
    ['in the first line', 'sep=:\n"first_name":"last\nname"\nAda:L\n', { mapping: { 'last name': 'last_name' } }],
  ])('an unusual one that is %s holds for a header over two lines', async (_title, text, options) => {
    expect(await valuesOf(text, { ...csv, ...options })).toEqual([{ first_name: 'Ada', last_name: 'L' }])
  })

  test('the line of the delimiter counts as a line', async () => {
    expect(outline(await read('sep=;\nemail;role\na;b\n', csv))).toEqual(['1@3 ok'])
  })
})

describe('charsets', () => {
  const german = 'first_name;last_name\r\nJ\xFCrgen;O\x92Brien \x80\r\n'
  test('windows-1252 is recognized, wherever its first letter beyond ASCII stands', async () => {
    const late = Buffer.from(`${german.slice(0, 22)}${'Ada;L\r\n'.repeat(5000)}${german.slice(22)}`, 'latin1')
    expect((await valuesOf(late)).at(-1)).toEqual({ first_name: 'Jürgen', last_name: 'O’Brien €' })
  })

  test.each([
    ['latin1', 'windows-1252'],
    ['macintosh', 'macintosh'],
    ['ibm866', 'ibm866'],
    ['windows-1250', 'windows-1250'],
  ])('%s can be named', async (charset, encoding) => {
    const [user] = await valuesOf(Buffer.from('first_name\nZ\x9F\n', 'latin1'), { ...csv, charset })
    const expected =
      encoding === 'windows-1252' ? 'ZŸ' : new TextDecoder(encoding).decode(Buffer.from('Z\x9F', 'latin1'))
    expect(user).toEqual({ first_name: expected })
  })

  test.each([
    ['shift_jis', [0x93, 0xfa, 0x96, 0x7b], '日本'],
    ['gb18030', [0x81, 0x30, 0x84, 0x36, 0xc4, 0xe3], '¥你'],
    ['euc-kr', [0xb1, 0xe8], '김'],
    ['big5', [0xa4, 0xa4], '中'],
  ])('%s: letters of several bytes are read however they are cut', async (charset, bytes, name) => {
    const file = Buffer.concat([Buffer.from('first_name\nA'), Buffer.from(bytes), Buffer.from('\n')])
    for (const cuts of [[], [...file.keys()], [12, 13], [14]])
      expect(await valuesOf(file, { ...csv, charset }, cuts)).toEqual([{ first_name: `A${name}` }])
  })

  test.each<[string, Buffer, ReadOptions, { code: string; line: number; byte: number }]>([
    [
      'UTF-8 that was begun',
      Buffer.from('email\nZoë\nb\xEB\n').fill(0xeb, 12, 13),
      csv,
      { code: 'not_utf8', line: 3, byte: 13 },
    ],
    [
      'UTF-8 that was named',
      Buffer.from('email\na\nb\xEB\n', 'latin1'),
      { ...csv, charset: 'utf8' },
      { code: 'not_utf8', line: 3, byte: 10 },
    ],
    [
      'a charset of several bytes',
      Buffer.from('email\na\n\x93\xFA\x93\n', 'latin1'),
      { ...csv, charset: 'shift_jis' },
      { code: 'not_in_charset', line: 3, byte: 12 },
    ],
    [
      'a file that is cut off',
      Buffer.from('email\na\nb', 'utf16le').subarray(0, -1),
      { ...csv, charset: 'utf-16le' },
      { code: 'not_in_charset', line: 3, byte: 17 },
    ],
  ])('%s names the line and the byte that cannot be read', async (_title, bytes, options, expected) => {
    for (const cuts of [[], [...bytes.keys()]]) {
      const { rows, error } = await read(bytes, options, cuts)
      expect(error).toMatchObject(expected)
      expect(rows).toHaveLength(1)
    }
  })

  test('a charset that there is not, a workbook, and UTF-16 without a mark are named', async () => {
    expect((await read('email\na\n', { ...csv, charset: 'klingon' })).error?.code).toBe('unknown_charset')
    expect((await read('PK\u0003\u0004…', csv)).error?.code).toBe('not_text')
    const { error } = await read(Buffer.from('email\na\n', 'utf16le'), csv)
    expect(error).toMatchObject({ code: 'not_text', detail: expect.stringContaining('charset=utf-16le') })
  })
})

describe('lines', () => {
  test('may end in a carriage return alone', async () => {
    const text = 'first_name,description\r"Ada","one\rtwo"\r\rJoan,\r'
    for (const cuts of [[], [...Buffer.from(text).keys()]]) {
      const reading = await read(text, csv, cuts)
      expect(outline(reading)).toEqual(['1@2 ok', '2@5 ok'])
      expect(reading.rows[0]?.value?.user).toEqual({ first_name: 'Ada', description: 'one\ntwo' })
    }
  })

  test('of nothing but delimiters and spaces are passed over', async () => {
    expect(outline(await read('first_name,email\n,\na,b\n , \u00A0\n"",""\n,,,\nc,d\n', csv))).toEqual([
      '1@3 ok',
      '2@7 ok',
    ])
  })

  test('of another length than the header are rejected one by one', async () => {
    expect(outline(await read('first_name,email\na,b,\na\nb,c\n', csv))).toEqual([
      '1@2 wrong_column_count',
      '2@3 wrong_column_count',
      '3@4 ok',
    ])
  })
})

describe('columns without a name', () => {
  test('are passed over as long as they are empty, and where Excel leaves them out', async () => {
    expect(outline(await read('first_name,,email,,\na,,b,,\nc,,d\ne,,f,\n', csv))).toEqual([
      '1@2 ok',
      '2@3 ok',
      '3@4 ok',
    ])
  })

  test('reject a row that has something there, unless they are mapped to nothing', async () => {
    const text = 'first_name,email,\na,b,c\nd,e,\n'
    expect(outline(await read(text, csv))).toEqual(['1@2 unnamed_column', '2@3 ok'])
    expect(outline(await read(text, { ...csv, mapping: { ' ': '' } }))).toEqual(['1@2 ok', '2@3 ok'])
  })
})

describe('files as people have them', () => {
  const mapping = { 'work email': 'email', department: '', 'start date': '', manager: '' }
  test.each(['hr-export-semicolon.csv', 'hr-export-windows-1252.csv'])('%s', async (name) => {
    const users = await valuesOf(await readCase(name), { ...csv, mapping })
    expect(users).toEqual([
      { first_name: 'Jürgen', last_name: 'Müller', emails: [{ email: 'juergen.mueller@example.com' }] },
      { first_name: 'Anna-Lena', last_name: 'von der Heide', emails: [{ email: 'anna.heide@example.com' }] },
      { first_name: 'Renée', last_name: 'O’Brien', emails: [{ email: 'renee.obrien@example.com' }] },
    ])
  })

  test('invisible-characters-email.csv: what cannot be seen is refused by its name and place', async () => {
    const { rows } = await read(await readCase('invisible-characters-email.csv'), csv)
    expect(rows.map(({ problems }) => problems[0]?.detail ?? 'ok')).toEqual([
      'ok',
      'The text holds U+200B (zero width space) as its character 23.',
      'The text holds U+202C (pop directional formatting) as its character 20.',
      'The text holds U+00AD (soft hyphen) as its character 12.',
    ])
  })

  test('blank-names.csv: blank is absent', async () => {
    const { rows } = await read(await readCase('blank-names.csv'), csv)
    expect(rows.map(({ value }) => Object.keys(value?.user ?? {}))).toEqual([
      ['first_name', 'emails'],
      ['last_name', 'emails'],
      ['first_name', 'emails'],
    ])
  })

  test.each(['trailing-commas.csv', 'rows-of-commas.csv'])('%s', async (name) => {
    expect(outline(await read(await readCase(name), csv))).toEqual(['1@2 ok'])
  })
})

test('whatever the delimiter and the charset, the rows are those of commas and UTF-8', async () => {
  const cell = fc.string({ unit: fc.constantFrom('"', ',', ';', '\t', '|', '\n', 'ü', '’', 'a', ' '), maxLength: 8 })
  const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`
  const file = (rows: string[][], delimiter: string, end: string): string =>
    [['first_name', 'last_name'], ...rows].map((row) => row.map(quoted).join(delimiter)).join(end)
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(cell, { minLength: 2, maxLength: 2 }), { minLength: 1, maxLength: 5 }),
      fc.constantFrom(',', ';', '\t', '|'),
      fc.constantFrom('\n', '\r\n'),
      fc.constantFrom<(text: string) => Buffer>(
        (text) => Buffer.from(text),
        (text) => Buffer.from(`\uFEFF${text}`, 'utf16le'),
        (text) => Buffer.from(text.replaceAll('’', '\x92'), 'latin1'),
      ),
      fc.array(fc.nat(), { maxLength: 8 }),
      async (rows, delimiter, end, encode, cuts) => {
        const plain = await read(file(rows, ',', end), csv)
        expect(await read(encode(file(rows, delimiter, end)), csv, cuts)).toEqual(plain)
      },
    ),
  )
})

test('a header of one piece, its rows in the next', async () => {
  expect(outline(await read('first_name;email\r\nAda;a@x.de\r\n', csv, [17]))).toEqual(['1@2 ok'])
})
