import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { read } from '../test/reading.ts'
import { createResultWriter, toSafeCell } from './write-results.ts'
import type { EndMark, ResultRow } from './write-results.ts'

const write = (
  format: 'csv' | 'ndjson',
  columns: string[],
  fields: string[],
  rows: ResultRow[],
  endMark?: EndMark,
): Promise<string> => text(Readable.from(rows).pipe(createResultWriter(format, columns, fields, endMark)))

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

  test('has a header over no rows', async () => {
    expect(await write('csv', ['Name', '=cmd'], ['status'], [])).toBe("Name,'=cmd,status\r\n")
  })

  test.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', '"=1', '""+1', ' =1', '＝1', '＋1', '－1', '＠1', '"\tx'])(
    '%j is no formula any more',
    async (cell) => {
      expect(toSafeCell(cell)).toBe(`'${cell}`)
      const { rows } = await read(await write('csv', ['username'], [], [{ columns: { username: cell }, result: {} }]), {
        format: 'csv',
      })
      expect(rows[0]?.columns).toEqual({ username: `'${cell}` })
    },
  )

  test.each(['a=b', "'=1", '', 'Ada', '1-2', '"quoted"'])('%j stays as it is', (cell) => {
    expect(toSafeCell(cell)).toBe(cell)
  })

  test('names of a prototype are only names', async () => {
    expect(
      await write('csv', ['toString', '__proto__', 'a.b'], ['valueOf'], [{ columns: { 'a.b': 'x' }, result: {} }]),
    ).toBe('toString,__proto__,a.b,valueOf\r\n,,x,\r\n')
  })

  test('what is written is read again', async () => {
    const cell = fc
      .oneof(
        fc.string({ unit: 'grapheme' }),
        fc.string({ unit: fc.constantFrom('"', ',', '\n', '\r', ';', '=', ' ', 'a', '\t', "'") }),
      )
      .filter((value) => !value.includes('\0'))
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(cell, cell), { maxLength: 10 }), async (cells) => {
        const rows = cells.map(([username, description]) => ({
          columns: { username, description },
          result: { reference: 'r' },
        }))
        const reading = await read(await write('csv', ['username', 'description'], ['reference'], rows), {
          format: 'csv',
        })
        expect(reading.error).toBeUndefined()
        expect(reading.rows.map(({ columns }) => columns)).toEqual(
          cells.map(([username, description]) => ({
            username: toSafeCell(username),
            description: toSafeCell(description),
            reference: 'r',
          })),
        )
      }),
    )
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

test.each(['csv', 'ndjson'] as const)('%s: a writer nobody reads from takes no more rows', async (format) => {
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
  ] as const)('%s, %i rows: the last line tells how many, and what the bytes before it were', async (format, count) => {
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
  })

  test('of a CSV has as many cells as the header, so that a strict reader takes it for a row', async () => {
    const { rows, error } = await read(await write('csv', ['email'], ['reference'], [row(1)], endMark), {
      format: 'csv',
    })
    expect(error).toBeUndefined()
    expect(rows.map(({ problems }) => problems)).toEqual([[], []])
  })
})
