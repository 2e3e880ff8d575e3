import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { outline, read, readCase } from '../test/reading.ts'
import { convertCell } from './cell-values.ts'
import type { CellKind } from './cell-values.ts'
import { mapColumns } from './column-mapping.ts'
import { toTarget } from './column-target.ts'

describe('a cell', () => {
  test.each<[CellKind, string, unknown]>([
    ['boolean', 'TRUE', true],
    ['boolean', 'WAHR', true],
    ['boolean', ' Falsch ', false],
    ['boolean', 'não', false],
    ['boolean', 'Tak', true],
    ['number', '1,5', 1.5],
    ['number', '-1.50', -1.5],
    ['number', '1e3', 1000],
    ['number', '0', 0],
    ['number', '123456789012345', 123456789012345],
    ['list', 'a; b;;', ['a', 'b']],
    ['date', '2027-01-04', '2027-01-04'],
    ['date', '04.01.2027', '2027-01-04'],
    ['date', '4.1.2027', '2027-01-04'],
    ['date', '46391', '2027-01-04'],
    ['datetime', '2027-01-04', '2027-01-03T23:00:00.000Z'],
    ['datetime', '04.07.2027 08:30', '2027-07-04T06:30:00.000Z'],
    ['datetime', '46391,5', '2027-01-04T11:00:00.000Z'],
    ['datetime', '2027-01-04T08:00:00+05:30', '2027-01-04T02:30:00.000Z'],
    ['datetime', '2027-01-04T08:00:00Z', '2027-01-04T08:00:00.000Z'],
    ['datetime', '2027-03-28T02:30:00', '2027-03-28T01:30:00.000Z'],
    ['datetime', '2027-10-31T02:30:00', '2027-10-31T00:30:00.000Z'],
    ['number', ' ', undefined],
  ])('of kind %s: %j is %j', (kind, cell, expected) => {
    const converted = convertCell(cell, kind, { timeZone: 'Europe/Berlin' })
    expect(converted && 'value' in converted ? converted.value : converted).toEqual(expected)
  })

  test.each<[CellKind, string, string]>([
    ['boolean', 'perhaps', 'invalid_boolean'],
    ['number', '1.234,5', 'invalid_number'],
    ['number', 'NaN', 'invalid_number'],
    ['number', '0x10', 'invalid_number'],
    ['number', '9007199254740993', 'invalid_number'],
    ['number', '0,12345678901234567', 'invalid_number'],
    ['date', '1/4/2027', 'invalid_date'],
    ['date', '31.02.2027', 'invalid_date'],
    ['date', '2027-13-01', 'invalid_date'],
    ['date', '7', 'invalid_date'],
    ['date', '2027', 'invalid_date'],
    ['date', '0099-01-01', 'invalid_date'],
    ['datetime', '0027-01-04T00:00', 'invalid_date'],
    ['datetime', '2027-01-04T25:00', 'invalid_date'],
    ['datetime', '2027-02-30T00:00:00Z', 'invalid_date'],
    ['datetime', 'tomorrow', 'invalid_date'],
  ])('of kind %s: %j is refused', (kind, cell, code) => {
    expect(convertCell(cell, kind, {})).toMatchObject({ code })
  })

  test.each([
    ['D/M/YYYY', '1/4/2027', '2027-04-01'],
    ['M/D/YYYY', '1/4/2027', '2027-01-04'],
    ['MM-DD-YYYY HH:mm', '01-04-2027 08:00', '2027-01-04'],
    ['YYYY.MM.DD', '2027.01.04', '2027-01-04'],
    ['D/M/YYYY', '2027-01-04', '2027-01-04'],
  ])('a date in the format %s: %s', (dateFormat, cell, expected) => {
    expect(convertCell(cell, 'date', { dateFormat })).toEqual({ value: expected })
  })

  test('any moment that is written is read, in any zone', () => {
    const zones = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'Pacific/Apia')
    fc.assert(
      fc.property(zones, fc.integer({ min: Date.UTC(1980, 0), max: Date.UTC(2100, 0) }), (timeZone, at) => {
        const instant = Math.floor(at / 1000) * 1000
        const written = new Date(instant).toLocaleString('sv-SE', { timeZone })
        const converted = convertCell(written, 'datetime', { timeZone })
        const back = converted && 'value' in converted ? new Date(String(converted.value)) : new Date(Number.NaN)
        expect(back.toLocaleString('sv-SE', { timeZone })).toBe(written)
      }),
    )
  })
})

describe('the kind of a column', () => {
  test.each<[string, unknown]>([
    ['remote_data.a.b|number', { path: ['user', 'remote_data', 'a', 'b'], kind: 'number' }],
    ['remote_data.a | Boolean', { path: ['user', 'remote_data', 'a'], kind: 'boolean' }],
    ['remote_data.a', { path: ['user', 'remote_data', 'a'], kind: 'text' }],
    ['remote_data.a|money', 'unknown_kind'],
    ['first_name|number', 'unknown'],
    ['not_before', { path: ['not_before'], kind: 'datetime' }],
  ])('%s', (name, expected) => {
    expect(toTarget(name)).toEqual(expected)
  })

  test('is the one of the provider, unless another is named', () => {
    const kinds = mapColumns(['remote_data.a', 'remote_data.b|text', 'c'], { c: 'remote_data.c' }, 1, ([name]) =>
      name === 'a' || name === 'b' ? 'number' : 'boolean',
    ).targets.map((target) => typeof target === 'object' && target.kind)
    expect(kinds).toEqual(['number', 'text', 'boolean'])
  })

  test('meraki-network-user.csv and google-change-password.csv say numbers and booleans', async () => {
    const mapping = { 'remote_data.authorizations[0].ssidNumber': 'remote_data.authorizations[0].ssidNumber|number' }
    const meraki = await read(await readCase('meraki-network-user.csv'), { format: 'csv', mapping })
    expect(meraki.rows[0]?.value?.user).toMatchObject({
      remote_data: { password: 'Cisco12345&', authorizations: [{ ssidNumber: 1, expiresAt: 'Never' }] },
    })
    const google = await read(await readCase('google-change-password.csv'), {
      format: 'csv',
      remoteKinds: ([name]) => (name === 'changePasswordAtNextLogin' ? 'boolean' : undefined),
    })
    expect(google.rows[0]?.value?.user).toMatchObject({ remote_data: { changePasswordAtNextLogin: true } })
  })

  test('dates of an upload are read by its format and its zone', async () => {
    const options = { format: 'csv', dateFormat: 'M/D/YYYY', timeZone: 'Europe/Berlin' } as const
    const { rows } = await read('email,not_before\na@x.de,1/4/2027\nb@x.de,soon\n', options)
    expect(rows[0]?.value).toMatchObject({ not_before: '2027-01-03T23:00:00.000Z' })
    expect(rows[1]?.problems[0]).toMatchObject({ pointer: '/not_before', code: 'invalid_date' })
    for (const wrong of [{ dateFormat: 'D.M' }, { timeZone: 'Mars' }])
      expect(outline(await read('email\na\n', { format: 'csv', ...wrong }))).toEqual([])
  })
})
