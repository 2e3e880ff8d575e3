import { describe, expect, test } from 'vitest'
import { mapColumns } from '@muster/bulk/column-mapping'
import { toEchoedCells } from './echoed-cells.ts'

const MASK = '[secret]'
const echo = (headers: string[], cells: string[], value?: Record<string, unknown>, mapping = {}) => {
  const { headers: names, secrets } = mapColumns(headers, mapping)
  return toEchoedCells({ columns: { names, secrets, cells }, value })
}

describe('cells that are kept for the results', () => {
  test('are masked by where the column goes, whatever it is called', () => {
    expect(echo(['Passwort', 'email'], ['Horse-9', 'a@b.example'], {})).toEqual([MASK, 'a@b.example'])
    expect(echo(['Initial', 'email'], ['Horse-9', ''], {}, { Initial: 'password' })).toEqual([MASK, ''])
    expect(echo(['API key', 'email'], ['Horse-9', ''], {}, { 'API key': '' })).toEqual([MASK, ''])
    expect(echo(['remote_data.require_password_change', 'email'], ['true', ''], {})).toEqual(['true', ''])
  })

  test('are masked where they hold a secret of the row', () => {
    const value = { user: { password: 'Horse-9' } }
    expect(echo(['password', 'description'], ['Horse-9', 'Horse-9'], value)).toEqual([MASK, MASK])
  })

  test('of a row with too many or too few come back, but for places where a secret may stand', () => {
    const headers = ['first_name', 'password', 'reference', 'username', 'description']
    expect(echo(headers, ['Ada', 'x', 'Horse-9', 'r-1', 'ada', 'd'])).toEqual([MASK, MASK, MASK, 'r-1', 'ada', 'd'])
    expect(echo(headers, ['Horse-9', 'r-1', 'ada', 'd'])).toEqual([MASK, MASK, MASK, 'd'])
    expect(echo(['first_name', 'email'], ['Ada', 'a', 'b'])).toEqual(['Ada', 'a', 'b'])
  })

  test('are no more than a thousand, and none is lost', () => {
    const kept = echo(
      ['first_name'],
      Array.from({ length: 5_000 }, (_, index) => String(index)),
    )
    expect({ cells: kept?.length, valuesInLast: kept?.at(-1)?.split(' ').length }).toEqual({
      cells: 1_000,
      valuesInLast: 4_001,
    })
  })

  test('are none where the row could not be read', () => {
    expect(echo(['first_name'], [])).toBeUndefined()
  })
})
