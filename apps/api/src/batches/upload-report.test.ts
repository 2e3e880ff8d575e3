import { describe, expect, test } from 'vitest'
import { PROBLEM_GROUPS } from '@muster/contracts/batch'
import { UploadReport } from './upload-report.ts'

const row = (number: number, cells: string[], value: Record<string, unknown> = { user: {} }) => ({
  number,
  line: number + 1,
  value,
  columns: { names: ['Mail', 'Passwort'], secrets: [false, true], cells },
  problems: [],
})
const problem = (pointer: string, code = 'invalid_format') => ({ pointer, code, detail: 'x' })

describe('the problems of an upload', () => {
  test('are grouped by code and by the header of the client, the most frequent first', () => {
    const report = new UploadReport()
    const columns = [
      { header: 'Mail', target: 'emails[0].email', source: 'synonym' as const },
      { header: 'Passwort', target: 'password', source: 'synonym' as const },
    ]
    report.setColumns(columns)
    report.add(row(1, ['missing', 'x'.repeat(2_000)]), [problem('/user/password', 'too_big')])
    for (let number = 2; number < 20; number++)
      report.add(row(number, ['missing', '']), [problem('/user/emails/0/email'), problem('', 'duplicate_row')])
    const rows = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    expect(report.get()).toEqual({
      columns,
      problems: [
        { code: 'invalid_format', column: 'Mail', count: 18, first_rows: rows, example: 'missing' },
        { code: 'duplicate_row', column: null, count: 18, first_rows: rows, example: null },
        { code: 'too_big', column: 'Passwort', count: 1, first_rows: [1], example: '[secret]' },
      ],
    })
  })

  test('of JSON name the path of the field, and show no secret', () => {
    const report = new UploadReport()
    const value = { user: { timezone: 'Mars', remote_data: { token: 7 } } }
    report.add({ ...row(1, [], value), columns: undefined }, [
      problem('/user/timezone'),
      problem('/user/remote_data/token'),
    ])
    expect(report.get().problems.map(({ column, example }) => [column, example])).toEqual([
      ['timezone', 'Mars'],
      ['remote_data.token', '[secret]'],
    ])
  })

  test('are no more than so many kinds', () => {
    const report = new UploadReport()
    for (let number = 1; number <= 2 * PROBLEM_GROUPS; number++)
      report.add({ ...row(number, []), columns: undefined }, [problem(`/f${number}`)])
    expect(report.get().problems).toHaveLength(PROBLEM_GROUPS)
  })
})
