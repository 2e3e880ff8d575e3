import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { batchResultFields } from '@muster/contracts/batch'
import { read, readCase } from '../test/reading.ts'
import { fromSafeCell, toSafeCell } from './formula-guard.ts'
import { createResultWriter } from './write-results.ts'
import type { CsvLayout, EndMark, ResultRow } from './write-results.ts'

const write = (
  format: 'csv' | 'ndjson',
  columns: string[],
  fields: readonly string[],
  rows: ResultRow[],
  endMark?: EndMark,
  layout?: CsvLayout,
): Promise<string> => text(Readable.from(rows).pipe(createResultWriter(format, columns, fields, endMark, layout)))

describe('CSV', () => {
  test('echoes the columns of the client, then the result', async () => {
    const rows: ResultRow[] = [
      {
        columns: { Name: 'Ada, "A"', Note: 'two\nlines' },
        result: { status: 'succeeded', errors: [{ code: 'x' }], ignored: 1 },
      },
      { columns: undefined, result: { status: null } },
    ]
    expect(await write('csv', ['Name', 'Note'], ['status', 'errors'], rows)).toBe(
      'Name,Note,status,errors\r\n"Ada, ""A""","two\nlines",succeeded,"[{""code"":""x""}]"\r\n,,,\r\n',
    )
  })

  test('has every cell of a row, also where it has more or fewer than there are columns', async () => {
    const rows: ResultRow[] = [
      { columns: {}, cells: ['Ada', 'x', 'y'], result: { status: 'rejected' } },
      { columns: {}, cells: ['Ada'], result: { status: 'rejected' } },
    ]
    expect(await write('csv', ['Name', 'Note'], ['status'], rows)).toBe(
      'Name,Note,status\r\nAda,x,rejected,y\r\nAda,,rejected\r\n',
    )
    expect(await write('csv', ['Name', 'Note'], [], rows)).toBe('Name,Note\r\nAda,x,y\r\nAda\r\n')
  })

  test('has a header over no rows', async () => {
    expect(await write('csv', ['Name', '=cmd'], ['status'], [])).toBe("Name,'=cmd,status\r\n")
  })

  test.each([
    '=1+1',
    '+1',
    '-1',
    '@SUM(A1)',
    '\t=1',
    '\r=1',
    '"=1',
    '""+1',
    ' =1',
    '＝1',
    '＋1',
    '－1',
    '＠1',
    '"\tx',
    "'=1",
  ])('%j is no longer a formula, and comes back', async (cell) => {
    expect(toSafeCell(cell)).toBe(`'${cell}`)
    const file = await write('csv', ['username'], [], [{ columns: { username: cell }, result: {} }])
    expect((await read(file, { format: 'csv' })).rows[0]?.columns).toEqual({ username: cell })
  })

  test.each(['a=b', "'a", "'", '', 'Ada', '1-2', '"quoted"'])('%j stays as it is', (cell) => {
    expect({ written: toSafeCell(cell), read: fromSafeCell(cell) }).toEqual({ written: cell, read: cell })
  })

  test('every text comes back', () => {
    const cell = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: fc.constantFrom("'", '"', '=', '+', ' ', '\t', 'a') }),
    )
    fc.assert(
      fc.property(cell, (text) => {
        expect(fromSafeCell(toSafeCell(text))).toBe(text)
      }),
    )
  })

  test('names of a prototype are only names', async () => {
    expect(
      await write('csv', ['toString', '__proto__', 'a.b'], ['valueOf'], [{ columns: { 'a.b': 'x' }, result: {} }]),
    ).toBe('toString,__proto__,a.b,valueOf\r\n,,x,\r\n')
  })

  const cell = fc
    .oneof(
      fc.string({ unit: 'grapheme' }),
      fc.string({ unit: fc.constantFrom('"', ',', '\n', '\r', ';', '|', '=', ' ', 'a', '\t', "'") }),
    )
    .filter((value) => !value.includes('\0'))
  const result = { row: 1, line: 2, status: 'rejected', reference: 'of the result', error_code: 'x' }
  test.each<[string, readonly string[]]>([
    ['a file of results', batchResultFields],
    ['a file to be corrected', []],
  ])('%s is read as what was uploaded', async (_title, fields) => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.constantFrom('reference', 'username', 'description', '=1', "'=2", 'a;b|c', 'Straße'), {
          minLength: 1,
        }),
        fc.array(fc.array(cell, { minLength: 7, maxLength: 7 }), { maxLength: 6 }),
        fc.record({ delimiter: fc.constantFrom(',', ';', '\t', '|'), hasByteOrderMark: fc.boolean() }),
        async (headers, cells, layout) => {
          const mapping = { '=1': '', "'=2": '', 'a;b|c': '', straße: '' }
          const rows = cells.map((row) => Object.fromEntries(headers.map((name, index) => [name, row[index] ?? ''])))
          const shown = rows.map((columns) => ({ columns, result }))
          const reading = await read(await write('csv', headers, fields, shown, undefined, layout), {
            format: 'csv',
            mapping,
          })
          expect(reading.error).toBeUndefined()
          const isBlank = (row: Record<string, string>): boolean =>
            Object.values(row).every((text) => text.trim() === '')
          expect(reading.rows.map(({ columns }) => columns)).toEqual(rows.filter((row) => !isBlank(row)))
        },
      ),
    )
  })

  test('own columns are none of an upload, whole or in part; an end mark is not a row', async () => {
    const rows = [{ columns: { email: 'a@x.de', reference: 'r-1' }, result }]
    const mark = () => ({ row: 1, status: 'end', reference: 'sha256:x' })
    const file = await write('csv', ['email', 'reference'], batchResultFields, rows, mark)
    const some = 'email,reference,error_code,error_message\na@x.de,r-1,x,y\n'
    for (const text of [file, some]) {
      const { rows: again, error } = await read(text, { format: 'csv' })
      expect({ error, rows: again.length }).toEqual({ error: undefined, rows: 1 })
      expect(again[0]).toMatchObject({ value: { reference: 'r-1' }, columns: { email: 'a@x.de', reference: 'r-1' } })
    }
    const own = await read('email,status,reference\na@x.de,active,r-1\n', { format: 'csv' })
    expect(own.rows[0]?.value).toMatchObject({ reference: 'r-1', user: { status: 'active' } })
  })

  test('a column that the mapping names is the client’s, also where a result has one of that name', async () => {
    const mapping = { row: 'reference', remote_id: 'remote_data.id' }
    for (const text of ['email,remote_id,row\na@x.de,7,r-1\n', 'email,remote_id,row,row,line\na@x.de,7,r-1,1,2\n']) {
      const { rows, error } = await read(text, { format: 'csv', mapping })
      expect({ error, problems: rows[0]?.problems }).toEqual({ error: undefined, problems: [] })
      expect(rows[0]?.value).toMatchObject({ reference: 'r-1', user: { remote_data: { id: '7' } } })
    }
  })

  test('formula-guard-round-trip.csv: a phone number comes back from a corrected file', async () => {
    const first = await read(await readCase('formula-guard-round-trip.csv'), { format: 'csv' })
    const shown = first.rows.map(({ columns }) => ({ columns, result }))
    const corrected = (await write('csv', Object.keys(first.rows[0]?.columns ?? {}), batchResultFields, shown)).replace(
      'ada.UNIQ',
      'ada@example.com',
    )
    expect(corrected).toContain("'+49 30 1234")
    const { rows } = await read(corrected, { format: 'csv' })
    expect(rows[0]).toMatchObject({
      problems: [],
      value: { user: { emails: [{ email: 'ada@example.com' }], phones: [{ number: '+49 30 1234' }] } },
    })
  })

  test('a password is not a formula and keeps its apostrophe; the mask of one is refused', async () => {
    const { rows } = await read("username,password\na,'=secret\nb,[secret]\n", { format: 'csv' })
    expect(rows[0]?.value?.user).toEqual({ username: 'a', password: "'=secret" })
    expect(rows[1]?.problems).toMatchObject([{ pointer: '/user/password', code: 'masked_secret' }])
  })

  test('opens in a spreadsheet: delimiter and byte order mark, of which the end mark knows', async () => {
    const layout = { delimiter: ';', hasByteOrderMark: true } as const
    const fileOf = (endMark?: EndMark): Promise<Buffer> =>
      buffer(
        Readable.from([{ columns: { Name: 'a,b' }, result }]).pipe(
          createResultWriter('csv', ['Name'], ['row', 'reference'], endMark, layout),
        ),
      )
    const file = await fileOf()
    expect(file).toEqual(Buffer.from('\uFEFFName;row;reference\r\n"a,b";1;of the result\r\n'))
    const marked = await fileOf((row, sha256) => ({ row, reference: sha256 }))
    const mark = `;1;${createHash('sha256').update(file).digest('hex')}\r\n`
    expect(marked).toEqual(Buffer.concat([file, Buffer.from(mark)]))
  })
})

describe('NDJSON', () => {
  test('is an object a line, with the columns of the client under their own name', async () => {
    expect(
      await write(
        'ndjson',
        ['Name'],
        ['status', 'errors'],
        [
          { columns: { Name: '=1\n' }, result: { status: 'failed', errors: [], ignored: 1 } },
          { columns: undefined, result: { status: 'ok' } },
        ],
      ),
    ).toBe('{"columns":{"Name":"=1\\n"},"status":"failed","errors":[]}\n{"status":"ok"}\n')
  })
})

test.each(['csv', 'ndjson'] as const)('%s: a writer without a reader takes no more rows', async (format) => {
  let given = 0
  const source = Readable.from(
    (function* () {
      for (; given < 100_000; given++) yield { columns: { Name: 'x'.repeat(100) }, result: { status: 'ok' } }
    })(),
  )
  const writer = source.pipe(createResultWriter(format, ['Name'], ['status']))
  await new Promise((resolve) => source.once('pause', resolve))
  expect(given).toBeLessThan(2000)
  expect((await text(writer)).split('\n').length).toBeGreaterThan(100_000)
})

describe('an end mark', () => {
  const endMark: EndMark = (rows, sha256) => ({ row: rows, status: 'end', reference: `sha256:${sha256}` })
  const fields = ['row', 'status', 'reference', 'error_message']
  const row = (number: number): ResultRow => ({
    columns: { Name: 'Ada, "A"' },
    result: { row: number, status: 'succeeded', reference: 'ä' },
  })

  test.each([
    ['csv', 0],
    ['csv', 3],
    ['ndjson', 0],
    ['ndjson', 3],
  ] as const)(
    '%s, %i rows: the last line has the row count and the digest of the bytes before it',
    async (format, count) => {
      const rows = Array.from({ length: count }, (_, index) => row(index + 1))
      const file = await write(format, ['Name'], fields, rows, endMark)
      const before = await write(format, ['Name'], fields, rows)
      const reference = `sha256:${createHash('sha256').update(before).digest('hex')}`
      expect(file.slice(0, before.length)).toBe(before)
      expect(file.slice(before.length)).toBe(
        format === 'csv'
          ? `,${count},end,${reference},\r\n`
          : `${JSON.stringify({ row: count, status: 'end', reference })}\n`,
      )
    },
  )

  test('of a CSV has as many cells as the header, so that a strict reader takes it for a row', async () => {
    const { rows, error } = await read(await write('csv', ['email'], ['reference'], [row(1)], endMark), {
      format: 'csv',
    })
    expect(error).toBeUndefined()
    expect(rows.map(({ problems }) => problems)).toEqual([[], []])
  })
})
