import { expect, test } from 'vitest'
import { apiSettingsSchema } from '../../apps/api/src/config.ts'
import { bounds } from '../../packages/contracts/src/bounds.ts'
import { tableRows, uncode } from '../support/documents.ts'

const figure = (value: number | null): string => (value === null ? '–' : value.toLocaleString('en-US'))

test('docs/operating.md has every bound as the code has it, and no other', () => {
  const [, ...rows] = tableRows('docs/operating.md', 'Bounds')
  expect(rows.map((cells) => cells.map(uncode))).toEqual(
    Object.entries(bounds).map(([name, bound]) => [
      name,
      bound.what,
      figure(bound.most),
      figure(bound.bytes),
      'perProcess' in bound ? figure(bound.perProcess) : '–',
      'setting' in bound ? bound.setting.name : '–',
    ]),
  )
})

test('an operator may change a bound up to what the setting allows, and no further', () => {
  const shape = apiSettingsSchema.shape
  for (const bound of Object.values(bounds)) {
    if (!('setting' in bound)) continue
    const setting = shape[bound.setting.name]
    expect(setting.parse(undefined)).toBe(bound.most)
    expect(setting.safeParse(String(bound.setting.most)).success, bound.setting.name).toBe(true)
    for (const refused of [String(bound.setting.most + 1), '0', 'many'])
      expect(setting.safeParse(refused).success, `${bound.setting.name}=${refused}`).toBe(false)
  }
})
