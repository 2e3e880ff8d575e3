import { describe, expect, test } from 'vitest'
import { shorthands } from '../../packages/bulk/src/column-target.ts'
import { itemOptions } from '../../packages/bulk/src/item.ts'
import { readRows } from '../../packages/bulk/src/read-rows.ts'
import type { UploadFormat } from '../../packages/bulk/src/read-rows.ts'
import { rowProblemCodes } from '../../packages/bulk/src/row.ts'
import type { Row } from '../../packages/bulk/src/row.ts'
import { uploadErrorCodes } from '../../packages/bulk/src/upload-error.ts'
import { read, tableRows, uncode } from '../support/documents.ts'

const PAGE = 'docs/bulk-formats.md'
const firstCells = (heading: string): string[] =>
  tableRows(PAGE, heading)
    .map(([first = '']) => uncode(first))
    .slice(1)

async function rowsOf(format: UploadFormat): Promise<Row[]> {
  const [, example = ''] = new RegExp(`\`\`\`${format}\n([\\s\\S]*?)\`\`\``).exec(read(PAGE)) ?? []
  const rows: Row[] = []
  const bytes = (async function* () {
    yield Buffer.from(example)
  })()
  for await (const row of readRows(bytes, { format })) rows.push(row)
  return rows
}

describe(PAGE, () => {
  test('explains every problem of a row and every error of an upload, and no other', () => {
    expect(firstCells('Problems of a row')).toEqual([...rowProblemCodes])
    expect(firstCells('Errors of an upload')).toEqual([...uploadErrorCodes])
  })

  test('lists every shorthand with what it is, and every option', () => {
    const rows = tableRows(PAGE, 'CSV').map(([shorthand = '', target = '']) => [uncode(shorthand), uncode(target)])
    for (const entry of Object.entries(shorthands)) expect(rows).toContainEqual(entry)
    for (const name of itemOptions) expect(read(PAGE)).toContain(`\`${name}`)
  })

  test('has a JSON example whose two forms are one', async () => {
    const [nested, flat] = await rowsOf('json')
    expect({ nestedProblems: nested?.problems, flatProblems: flat?.problems }).toEqual({
      nestedProblems: [],
      flatProblems: [],
    })
    expect(flat?.value).toEqual(nested?.value)
  })

  test('has a CSV example that is right', async () => {
    const rows = await rowsOf('csv')
    expect(rows.map(({ problems }) => problems)).toEqual([[], []])
    expect(rows[0]?.value).toEqual({
      reference: 'hr-1',
      user: {
        first_name: 'Ada',
        last_name: 'Lovelace',
        emails: [{ email: 'ada@example.com', is_primary: true }],
        roles: [{ name: 'Admin' }],
        languages: ['en', 'fr'],
        remote_data: { costCenter: '0815' },
      },
    })
    expect(rows[1]?.value).toEqual({
      reference: 'hr-2',
      user: { first_name: 'Grace', last_name: 'Hopper, "G."', emails: [{ email: 'grace@example.com' }] },
    })
  })
})
