import { Readable } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { gzipSync } from 'node:zlib'
import { cleanTexts } from '@muster/contracts/clean-text'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { outline, pieces, read } from '../test/reading.ts'
import { readRows } from './read-rows.ts'
import type { ReadOptions } from './read-rows.ts'

const csv: ReadOptions = { format: 'csv' }
const json: ReadOptions = { format: 'json' }
const ndjson: ReadOptions = { format: 'ndjson' }
/** What is really held: without a collection first, the heap shows how lazy the collector is. */
setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
function liveMegabytes(): number {
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return (heapUsed + arrayBuffers) / 1024 / 1024
}

const long = 'x'.repeat(70_000)

describe('CSV', () => {
  test.each<[string, string, string[]]>([
    ['rows with LF', 'email\na@x.de\nb@x.de\n', ['1@2 ok', '2@3 ok']],
    ['rows with CRLF', 'email\r\na@x.de\r\nb@x.de\r\n', ['1@2 ok', '2@3 ok']],
    ['a last row without a line end', 'email\na@x.de', ['1@2 ok']],
    ['a byte order mark', '\uFEFFemail\na@x.de\n', ['1@2 ok']],
    ['empty lines, which count as lines only', '\n\nemail\n\na@x.de\n\r\n\nb@x.de\n\n', ['1@5 ok', '2@8 ok']],
    ['a cell over several lines', 'email,description\na@x.de,"one\ntwo\r\nthree"\nb@x.de,\n', ['1@2 ok', '2@5 ok']],
    ['no rows', 'email\n', []],
    [
      'too few and too many cells',
      'email,role\na\nb,c,d\ne,f\n',
      ['1@2 wrong_column_count', '2@3 wrong_column_count', '3@4 ok'],
    ],
    ['a quote inside a plain cell', 'email,role\na"b,c\nd,e\n', ['1@2 stray_quote', '2@3 ok']],
    [
      'text after a closing quote',
      'email,role\n"a"b,c\nd,e\n"f" ,g\nh,i\n',
      ['1@2 stray_quote', '2@3 ok', '3@4 stray_quote', '4@5 ok'],
    ],
    ['a carriage return after a closing quote', 'email,role\n"a"\r,c\nd,e\n', ['1@2 stray_quote', '2@3 ok']],
    ['a quote that is not closed', 'email,role\na,b\n"c,d\ne,f\n', ['1@2 ok', '2@3 unclosed_quote']],
    [
      'a row that is too long',
      `email,role\na,b\n${long},c\n"${long}\n${long}",d\ne,f\n`,
      ['1@2 ok', '2@3 row_too_large', '3@4 row_too_large', '4@6 ok'],
    ],
    [
      'values that cannot be converted',
      'email,group,emails[0].is_primary\na,7,YES\nb,seven,maybe\nc,,0\n',
      ['1@2 ok', '2@3 /user/group invalid_integer, /user/emails/0/is_primary invalid_boolean', '3@4 ok'],
    ],
    ['a NUL', 'email\na\0\nb\n', ['1@2 /user/emails/0/email invalid_text', '2@3 ok']],
  ])('reads %s', async (_title, text, expected) => {
    const reading = await read(text, csv)
    expect({ rows: outline(reading), error: reading.error }).toEqual({ rows: expected, error: undefined })
  })

  test('gives the value by its targets and the cells by their headers', async () => {
    const { rows } = await read(
      'reference,First Name, E-Mail ,languages,emails[0].is_primary\nr-1,"Ada ""A."" ",ada@x.de,en; de;,1\nr-2,,,,\n',
      { format: 'csv', mapping: { 'e mail': 'email' } },
    )
    expect(rows).toEqual([
      {
        number: 1,
        line: 2,
        value: {
          reference: 'r-1',
          user: { first_name: 'Ada "A."', emails: [{ email: 'ada@x.de', is_primary: true }], languages: ['en', 'de'] },
        },
        columns: {
          reference: 'r-1',
          'First Name': 'Ada "A." ',
          'E-Mail': 'ada@x.de',
          languages: 'en; de;',
          'emails[0].is_primary': '1',
        },
        problems: [],
        warnings: [{ pointer: '/user/first_name', code: 'text_trimmed', detail: expect.any(String) }],
      },
      {
        number: 2,
        line: 3,
        value: { reference: 'r-2', user: {} },
        columns: { reference: 'r-2', 'First Name': '', 'E-Mail': '', languages: '', 'emails[0].is_primary': '' },
        problems: [],
      },
    ])
  })

  test('a row of the wrong length is one rejected row that comes back whole', async () => {
    const source = pieces(Buffer.from('email,role\na\nb,c,d\n'))
    const rows: unknown[] = []
    for await (const { columns, value } of readRows(source, csv)) rows.push([columns?.cells, value])
    expect(rows).toEqual([
      [['a'], undefined],
      [['b', 'c', 'd'], undefined],
    ])
  })

  test.each<[string, string, string, number | null]>([
    ['nothing', '', 'no_header', null],
    ['only empty lines', '\n\r\n', 'no_header', null],
    ['a header of empty cells', ',,\na,b,c\n', 'no_header', 1],
    ['a header with an open quote', '"email\na\n', 'malformed_header', 1],
    ['a header that is too long', `${long}\na\n`, 'header_too_large', 1],
    ['a header twice', '\nemail,Email\na,b\n', 'duplicate_headers', 2],
    ['an unknown header', 'email,shoe_size\na,b\n', 'unknown_headers', 1],
  ])('refuses %s', async (_title, text, code, line) => {
    const { rows, error } = await read(text, csv)
    expect({ rows, error }).toMatchObject({ rows: [], error: { code, line } })
  })
})

describe('NDJSON', () => {
  test.each<[string, string, string[]]>([
    [
      'items with LF, CRLF and empty lines',
      '{"first_name":"A"}\n\n{"user":{"first_name":"B"}}\r\n \r\n{"first_name":"C"}',
      ['1@1 ok', '2@3 ok', '3@5 ok'],
    ],
    ['a byte order mark', '\uFEFF{"first_name":"A"}\n', ['1@1 ok']],
    [
      'a line that is not JSON',
      '{"first_name":"A"}\n{"first_name":\n{"first_name":"C"}\n',
      ['1@1 ok', '2@2 malformed_json', '3@3 ok'],
    ],
    ['a last line that was cut off', '{"first_name":"A"}\n{"first_na', ['1@1 ok', '2@2 malformed_json']],
    [
      'items that are no objects',
      '[]\n1\nnull\n"a"\n{"user":[]}\n',
      ['1@1 not_an_object', '2@2 not_an_object', '3@3 not_an_object', '4@4 not_an_object', '5@5 /user not_an_object'],
    ],
    [
      'a line that is too long',
      `{"first_name":"A"}\n{"first_name":"${long}"}\n{"first_name":"C"}\n${long}`,
      ['1@1 ok', '2@2 row_too_large', '3@3 ok', '4@4 row_too_large'],
    ],
    [
      'unknown names',
      '{"user":{},"shoe":1}\n{"first_name":"A","shoe":1}\n{"user":{},"first_name":"A"}\n',
      ['1@1 /shoe unknown_field', '2@2 /shoe unknown_field', '3@3 /first_name field_beside_user'],
    ],
  ])('reads %s', async (_title, text, expected) => {
    const reading = await read(text, ndjson)
    expect({ rows: outline(reading), error: reading.error }).toEqual({ rows: expected, error: undefined })
  })

  test('a line of exactly the largest size is read, with CRLF too; one byte more is not', async () => {
    const fitting = `{"first_name":"${'x'.repeat(83)}"}`
    const reading = await read(`${fitting}\r\n${fitting}\n${fitting} \n${fitting}`, {
      format: 'ndjson',
      maxRowBytes: 100,
    })
    expect({ bytes: fitting.length, rows: outline(reading) }).toEqual({
      bytes: 100,
      rows: ['1@1 ok', '2@2 ok', '3@3 row_too_large', '4@4 ok'],
    })
  })
})

describe('JSON', () => {
  test.each<[string, string, string[]]>([
    ['no items', '{"items":[]}', []],
    [
      'items over lines',
      '\uFEFF {\n"items" : [\n{"first_name":"A"} ,\n{"user":{"first_name":"]}"}}\n]\n}\n\n',
      ['1@- ok', '2@- ok'],
    ],
    [
      'items that are no objects',
      '{"items":[1,"a",null,true,-1.5e3,[],[{}],{"first_name":"B"}]}',
      [1, 2, 3, 4, 5, 6, 7].map((number) => `${number}@- not_an_object`).concat('8@- ok'),
    ],
    [
      'an item that is too long, by many values or by one',
      `{"items":[{"first_name":"A"},{"first_name":"${long}"},{"a":[${'1,'.repeat(40_000)}1]},{"first_name":"B"}]}`,
      ['1@- ok', '2@- row_too_large', '3@- row_too_large', '4@- ok'],
    ],
    [
      'names that could reach a prototype',
      '{"items":[{"__proto__":{"a":1}},{"user":{"remote_data":{"constructor":{"prototype":1}}}},{"first_name":"B"}]}',
      ['1@- /__proto__ forbidden_name', '2@- /user/remote_data/constructor forbidden_name', '3@- ok'],
    ],
    [
      'nests that are too deep',
      `{"items":[{"remote_data":${'['.repeat(30)}${']'.repeat(30)}},{"first_name":"B"}]}`,
      [`1@- /remote_data${'/0'.repeat(19)} too_deep`, '2@- ok'],
    ],
    [
      'too many values',
      `{"items":[{"remote_data":{"a":[${'1,'.repeat(20_000)}1]}},{"first_name":"B"}]}`,
      ['1@- /remote_data/a too_many', '2@- ok'],
    ],
    [
      'half of a surrogate pair',
      '{"items":[{"first_name":"\\ud800"},{"first_name":"\\ud83d\\ude00"}]}',
      ['1@- /first_name invalid_text', '2@- ok'],
    ],
  ])('reads %s', async (_title, text, expected) => {
    const reading = await read(text, json)
    expect({ rows: outline(reading), error: reading.error }).toEqual({ rows: expected, error: undefined })
  })

  test.each<[string, string, string, number, number]>([
    ['nothing', '', 'ended_early', 1, 0],
    ['an array', '[]', 'items_missing', 1, 0],
    ['a document without items', '\n{}', 'items_missing', 2, 0],
    ['other members', '{\n"users":[]}', 'unknown_member', 2, 0],
    ['a member behind the items', '{"items":[{}],\n"more":1}', 'unknown_member', 2, 1],
    ['items twice', '{"items":[],"items":[]}', 'unknown_member', 1, 0],
    ['items that are an object', '{"items":\n{}}', 'items_not_array', 2, 0],
    ['a cut in an item', '{"items":[{},\n{"first_na', 'ended_early', 2, 1],
    ['a cut behind the items', '{"items":[{}]\n', 'ended_early', 2, 1],
    ['a comma too many', '{"items":[{},\n]}', 'malformed_json', 2, 1],
    ['a comma too many behind items of the same line', '{"items":[{},{},]}', 'malformed_json', 1, 2],
    ['a comma too few', '{"items":[{}\n{}]}', 'malformed_json', 2, 1],
    ['an item that is not closed right', '{"items":[{},\n{"a":]}', 'malformed_json', 2, 1],
    ['a word that is none', '{"items":[{},\n\n{"a":tru}]}', 'malformed_json', 3, 1],
    ['something behind the end', '{"items":[{}]}\n{}', 'malformed_json', 2, 1],
    ['a value of megabytes', `{"items":[{},{"a":"${'x'.repeat(1_200_000)}"}]}`, 'value_too_large', 1, 1],
  ])('refuses %s', async (_title, text, code, line, rowsBefore) => {
    const { rows, error } = await read(text, json)
    expect({ code: error?.code, line: error?.line, rows: rows.length }).toEqual({ code, line, rows: rowsBefore })
  })
})

const bodies: Record<'csv' | 'ndjson' | 'json', (name: string) => string> = {
  csv: (name) => `reference,first_name,password\nr,"${name}", p \n`,
  ndjson: (name) => JSON.stringify({ reference: 'r', first_name: name, password: ' p ' }),
  json: (name) => JSON.stringify({ items: [{ reference: 'r', user: { first_name: name, password: ' p ' } }] }),
}
describe.each(['csv', 'ndjson', 'json'] as const)('texts of %s', (format) => {
  test('lose the spaces at their ends, and say so', async () => {
    const { rows } = await read(bodies[format]('\u00A0Zoe\u0308 '), { format })
    expect(rows[0]?.value).toEqual({ reference: 'r', user: { first_name: 'Zoë', password: ' p ' } })
    expect(rows[0]?.warnings?.map(({ pointer, code }) => `${pointer} ${code}`)).toEqual([
      '/user/first_name text_trimmed',
      '/user/first_name text_composed',
    ])
  })

  test('keep them where that is asked', async () => {
    const { rows } = await read(bodies[format](' Ada '), { format, keepsSpaces: true })
    expect(rows[0]?.value).toEqual({ reference: 'r', user: { first_name: ' Ada ', password: ' p ' } })
  })

  test('are absent where they are blank, refused where they hold what cannot be seen', async () => {
    const blank = await read(bodies[format](' \u200B'), { format })
    expect(blank.rows[0]?.value).toEqual({ reference: 'r', user: { password: ' p ' } })
    expect(outline(await read(bodies[format]('A\u202Eda'), { format }))[0]).toContain('/first_name invalid_text')
  })
})

describe('any format', () => {
  const uploads: Record<'csv' | 'ndjson' | 'json', (names: string[]) => string> = {
    csv: (names) => `first_name\n${names.map((name) => `${name}\n`).join('')}`,
    ndjson: (names) => names.map((name) => `{"first_name":"${name}"}\n`).join(''),
    json: (names) => `{"items":[\n${names.map((name) => `{"first_name":"${name}"}`).join(',\n')}\n]}`,
  }
  const formats = ['csv', 'ndjson', 'json'] as const
  /** In which line of the upload the second name stands. */
  const secondLine = { csv: 3, ndjson: 2, json: 3 }

  test.each(['ndjson', 'json'] as const)(
    '%s: bytes that are no UTF-8 are named with their line and byte, and the rows before are kept',
    async (format) => {
      const bytes = Buffer.from(uploads[format](['Zoë', 'Zo\xEB', 'Bob']))
      const latin1 = Buffer.from(uploads[format](['Ann', 'Zo\xEB', 'Bob']), 'latin1')
      expect((await read(bytes, { format })).error).toBeUndefined()
      const { rows, error } = await read(latin1, { format })
      const byte = latin1.indexOf(0xeb) + 1
      expect(rows).toHaveLength(1)
      expect(error).toMatchObject({ code: 'not_utf8', line: secondLine[format], byte })
    },
  )

  test.each(formats)('%s: a character that is cut off at the end is not UTF-8', async (format) => {
    expect(
      (await read(Buffer.concat([Buffer.from(uploads[format](['Ann'])), Buffer.from([0xe2, 0x82])]), { format })).error
        ?.code,
    ).toBe('not_utf8')
  })

  test.each(formats)('%s: UTF-16 is read by its mark or by its name', async (format) => {
    const names = ['Ann', 'Jürgen', '😀']
    const text = uploads[format](names)
    const little = Buffer.from(text, 'utf16le')
    const expected = (await read(text, { format })).rows
    for (const [bytes, charset] of [
      [Buffer.from(`\uFEFF${text}`, 'utf16le'), undefined],
      [Buffer.from(`\uFEFF${text}`, 'utf16le').swap16(), undefined],
      [little, 'utf-16le'],
      [Buffer.from(little).swap16(), 'UTF-16BE'],
    ] as const) {
      const options = charset === undefined ? { format } : { format, charset }
      for (const cuts of [[], [1, 2, 3], [...bytes.keys()]])
        expect(await read(bytes, options, cuts)).toEqual({ rows: expected, error: undefined })
    }
  })

  test.each(formats)('%s: one row more than are allowed ends the reading', async (format) => {
    const { rows, error } = await read(uploads[format](['A', 'B', 'C']), { format, maxRows: 2 })
    expect({ rows: rows.length, code: error?.code }).toEqual({ rows: 2, code: 'too_many_rows' })
    expect((await read(uploads[format](['A', 'B', 'C']), { format, maxRows: 3 })).error).toBeUndefined()
  })

  test.each(formats)('%s: one byte more than are allowed ends the reading', async (format) => {
    const text = uploads[format](['A', 'B', 'C'])
    expect((await read(text, { format, maxBytes: text.length })).error).toBeUndefined()
    const { rows, error } = await read(text, { format, maxBytes: text.length - 1 })
    expect(rows.length).toBeGreaterThanOrEqual(2)
    expect(error?.code).toBe('too_many_bytes')
  })

  test.each(formats)('%s: gzip is unpacked; cut off, damaged, empty or no gzip at all is said', async (format) => {
    const packed = gzipSync(uploads[format](Array.from({ length: 200 }, (_, index) => `N${index * 7919}`)))
    const open = { format, isGzip: true }
    expect((await read(packed, open, [3, 11, 50])).rows).toHaveLength(200)
    expect((await read(packed.subarray(0, packed.length / 2), open)).error?.code).toBe('ended_early')
    expect((await read(packed.subarray(0, packed.length - 4), open)).error?.code).toBe('ended_early')
    expect((await read('', open)).error?.code).toBe('ended_early')
    await expect(readRows(Readable.from([]), open).next()).rejects.toMatchObject({ code: 'ended_early' })
    const damaged = Buffer.from(packed)
    damaged.fill(0xff, 20, 40)
    expect((await read(damaged, open)).error?.code).toBe('corrupt_gzip')
    expect((await read(uploads[format](['A']), open)).error?.code).toBe('corrupt_gzip')
  })

  test('a gzip bomb ends at the cap, long before it is unpacked', async () => {
    const bomb = gzipSync(Buffer.alloc(60 * 1024 * 1024, 'username\n'), { level: 1 })
    let taken = 0
    const source = async function* (): AsyncGenerator<Buffer> {
      for (let start = 0; start < bomb.length; start += 1024) {
        taken = start
        yield bomb.subarray(start, start + 1024)
      }
    }
    await expect(async () => {
      for await (const row of readRows(source(), { format: 'csv', isGzip: true, maxBytes: 512 * 1024 })) void row
    }).rejects.toMatchObject({ code: 'too_many_bytes' })
    expect(taken).toBeLessThan(bomb.length / 2)
  })

  test.each([true, false])('an error of the source is passed on as it is (gzip: %s)', async (isGzip) => {
    const reset = new Error('reset')
    const source = async function* (): AsyncGenerator<Buffer> {
      yield isGzip ? gzipSync('email\na\n').subarray(0, 15) : Buffer.from('email\na\n')
      throw reset
    }
    await expect(async () => {
      for await (const row of readRows(source(), { format: 'csv', isGzip })) void row
    }).rejects.toBe(reset)
  })

  test.each([true, false])('a reader who stops early closes the source (gzip: %s)', async (isGzip) => {
    const text = Buffer.from(`email\n${'a@x.de\n'.repeat(1000)}`)
    const source = Readable.from([isGzip ? gzipSync(text) : text], { objectMode: false })
    const closed = new Promise((resolve) => source.once('close', resolve))
    for await (const row of readRows(source, { format: 'csv', isGzip })) if (row.number === 2) break
    await closed
    expect(source.destroyed).toBe(true)
  })

  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.string({
      unit: fc.constantFrom('"', ',', '\n', '\r', ';', '{', '}', '[', ']', ':', '\\', 'é', '€', '😀', 'a', '1', ' '),
      maxLength: 20,
    }),
  )
  const cell = text.map((value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value))
  const documents: Record<'csv' | 'ndjson' | 'json', fc.Arbitrary<string>> = {
    csv: fc
      .array(fc.oneof({ arbitrary: fc.tuple(cell, cell).map((cells) => cells.join(',')), weight: 4 }, text), {
        maxLength: 8,
      })
      .chain((lines) => fc.constantFrom('\n', '\r\n').map((end) => `email,first_name${end}${lines.join(end)}`)),
    ndjson: fc
      .array(
        fc.oneof(
          fc.record({ first_name: text, reference: text }).map((item) => JSON.stringify(item)),
          text,
        ),
        { maxLength: 8 },
      )
      .map((lines) => lines.join('\n')),
    json: fc
      .array(fc.oneof(fc.record({ first_name: text, remote_data: fc.jsonValue() }), fc.jsonValue()), { maxLength: 6 })
      .chain((items) =>
        fc
          .constantFrom(0, 2)
          .chain((space) =>
            fc
              .nat(3)
              .map((cut) =>
                cut === 3
                  ? JSON.stringify({ items }, null, space).slice(0, -3)
                  : JSON.stringify({ items }, null, space),
              ),
          ),
      ),
  }

  test.each(formats)('%s: the rows are the same however the bytes are cut', async (format) => {
    await fc.assert(
      fc.asyncProperty(
        documents[format],
        fc.array(fc.nat(), { maxLength: 12 }),
        fc.constantFrom(30, 65_536),
        fc.constantFrom(40, 1e6),
        async (document, cuts, maxRowBytes, maxBytes) => {
          const options = { format, maxRowBytes, maxBytes }
          expect(await read(document, options, cuts)).toEqual(await read(document, options))
        },
      ),
      { numRuns: 300 },
    )
  })

  test.each(formats)('%s: byte by byte the rows are the same', async (format) => {
    const document = Buffer.from(`\uFEFF${uploads[format](['Zoë', '😀', '€', '中'])}`)
    expect(await read(document, { format }, Array.from(document.keys()))).toEqual(await read(document, { format }))
  })

  test('JSON: items are what JSON.parse makes of them', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ first_name: text, reference: text })),
        fc.constantFrom(0, 2),
        async (items, space) => {
          const document = JSON.stringify({ items }, null, space)
          const { rows } = await read(document, json)
          const sound = rows.filter(({ problems }) => problems.length === 0)
          expect(sound.map(({ value, number }) => [number, value])).toEqual(
            sound.map(({ number }) => {
              const { reference, first_name } = items[number - 1] ?? {}
              return [number, cleanTexts({ reference, user: { first_name } }).value]
            }),
          )
          expect(rows).toHaveLength(items.length)
        },
      ),
    )
  })

  test('any bytes end in rows or an UploadError, and no prototype is touched', async () => {
    const before = Reflect.ownKeys(Object.prototype).length
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...formats),
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }),
          fc.json().map((value) => Buffer.from(value)),
        ),
        fc.boolean(),
        async (format, bytes, isGzip) => {
          await read(Buffer.from(bytes), { format, isGzip })
        },
      ),
      { numRuns: 500 },
    )
    expect(Reflect.ownKeys(Object.prototype)).toHaveLength(before)
  })

  test.each(formats)('%s: memory stays flat while 100,000 rows pass', async (format) => {
    const source = async function* (): AsyncGenerator<Buffer> {
      const filler = 'x'.repeat(200)
      if (format === 'csv') yield Buffer.from('first_name\n')
      if (format === 'json') yield Buffer.from('{"items":[')
      for (let batch = 0; batch < 1000; batch++) {
        const lines = Array.from({ length: 100 }, () => (format === 'csv' ? filler : `{"first_name":"${filler}"}`))
        yield Buffer.from(format === 'json' ? `${batch > 0 ? ',' : ''}${lines.join(',')}` : `${lines.join('\n')}\n`)
      }
      if (format === 'json') yield Buffer.from(']}')
    }
    let rows = 0
    const before = liveMegabytes()
    let peak = before
    for await (const row of readRows(source(), { format })) {
      rows = row.number
      if (rows % 20_000 === 0) peak = Math.max(peak, liveMegabytes())
    }
    expect(rows).toBe(100_000)
    expect(peak - before).toBeLessThan(10)
  })

  test('a cell of 60 MB that never ends is not held in memory', async () => {
    const source = async function* (): AsyncGenerator<Buffer> {
      yield Buffer.from('email\na\n"')
      for (let count = 0; count < 960; count++) yield Buffer.alloc(65_536, 'y')
    }
    const before = liveMegabytes()
    let peak = 0
    let taken = 0
    const seen: string[] = []
    const watched = async function* (): AsyncGenerator<Buffer> {
      for await (const bytes of source()) {
        taken++
        if (taken % 300 === 0) peak = Math.max(peak, liveMegabytes() - before)
        yield bytes
      }
    }
    for await (const row of readRows(watched(), { format: 'csv' }))
      seen.push(`${row.number}@${row.line} ${row.problems[0]?.code ?? 'ok'}`)
    expect(seen).toEqual(['1@2 ok', '2@3 row_too_large'])
    expect(peak).toBeLessThan(20)
  })

  test('no detail quotes a value', async () => {
    const secret = 'hunter2'
    const inputs: [string, ReadOptions][] = [
      [`{"password":"${secret}",`, ndjson],
      [`{"items":[{"password":"${secret}",]}`, json],
      [`{"items":[{"password":${secret}}]}`, json],
      [`password,group\n${secret},${secret}\n"${secret}"x,1\n${secret}\n`, csv],
    ]
    for (const [text, options] of inputs) {
      const { rows, error } = await read(text, options)
      expect(JSON.stringify([rows.map(({ problems }) => problems), error])).not.toContain(secret)
      expect(rows.flatMap(({ problems }) => problems).length + (error === undefined ? 0 : 1)).toBeGreaterThan(0)
    }
  })

  test('pieces are cut at the given sizes', async () => {
    const cut: string[] = []
    for await (const piece of pieces(Buffer.from('abcdef'), [2, 4])) cut.push(piece.toString())
    expect(cut).toEqual(['ab', 'cd', 'ef'])
  })
})
