import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { transitions } from '../../packages/domain/src/operation/state.ts'

const page = readFileSync(new URL('../../docs/operation-states.md', import.meta.url), 'utf8')

test('the chart of operation states has every transition of the code, and no other', () => {
  const [chart = ''] = /^```mermaid\nstateDiagram[^]*?^```$/m.exec(page) ?? []
  const drawn = [...chart.matchAll(/^ {4}(\w+) --> (\w+): (.+)$/gm)].flatMap(([, from, to, events = '']) =>
    events.split(', ').map((event) => `${from} --> ${to}: ${event}`),
  )
  const coded = Object.entries(transitions).flatMap(([event, targets]) =>
    Object.entries(targets).flatMap(([from, statuses]) =>
      statuses.filter((to) => to !== from).map((to) => `${from} --> ${to}: ${event}`),
    ),
  )
  expect(drawn.sort()).toEqual(coded.sort())
})

test('the page explains every event', () => {
  const [, section = ''] = page.split(/^## What can happen$/m)
  const [rows = ''] = section.split(/^## /m)
  expect([...rows.matchAll(/^\| `(\w+)` \|/gm)].map(([, event]) => event)).toEqual(Object.keys(transitions))
})
