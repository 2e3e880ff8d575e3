import { expect, test } from 'vitest'
import { batchStatusSchema } from '../../packages/contracts/src/batch.ts'
import { transitions } from '../../packages/domain/src/batch/state.ts'
import { read, tableRows, uncode } from '../support/documents.ts'

const page = 'docs/batch-states.md'

test('the chart of batch states has every transition of the code, and no other', () => {
  const drawn = [...read(page).matchAll(/^ {4}(\w+) --> (\w+): (.+)$/gm)].flatMap(([, from, to, events = '']) =>
    events.split(', ').map((event) => `${from} --> ${to}: ${event}`),
  )
  const coded = Object.entries(transitions).flatMap(([event, targets]) =>
    Object.entries(targets).flatMap(([from, target]) =>
      (target === 'moving' ? ['uploading', 'running'] : [target])
        .filter((to) => to !== from)
        .map((to) => `${from} --> ${to}: ${event}`),
    ),
  )
  expect(drawn.sort()).toEqual(coded.sort())
})

test('the tables explain every state of a batch, and every event', () => {
  const namesOf = (heading: string): string[] =>
    tableRows(page, heading)
      .map(([name = '']) => uncode(name))
      .slice(1)
  expect(namesOf('The states of a batch').sort()).toEqual([...batchStatusSchema.options].sort())
  expect(namesOf('What can happen')).toEqual(Object.keys(transitions))
})
