import { expect, test } from 'vitest'
import { files, read } from '../support/documents.ts'

/** Words that make an English reader stumble, and the word to use instead. */
const avoided: [RegExp, string][] = [
  [/\btold\b/gi, 'reported, shown or sent: programs do not tell'],
  [/\b(?:whoever|whomever)\b/gi, 'the caller, a client that …: name who acts'],
  [/\b(?:nobody|somebody)\b/gi, 'no one, someone; better the user, the operator, the process'],
  [/\banew\b/gi, 'again'],
  [/\bgo(?:es)? on\b/gi, 'continues; of an account, is put on hold'],
  [/\bbrakes?\b/gi, 'hold flag or failure limit: two things (docs/glossary.md)'],
  [/\bjudged?\b/gi, 'validate, check'],
  [/\b(?:thereby|wherefore)\b/gi, 'so, because'],
  [/\b(?:rests|resting)\b/gi, 'cooldown'],
  [/(?<!\bhash )\bslots?\b/gi, 'call permit; of Redis Cluster, hash slot'],
]

/** Words that others fixed. */
const quotations: Record<string, string[]> = {
  // The name under which records were stored first.
  'packages/store/src/batches/stored-batch.ts': ["'brake'"],
  // Messages of Redis and ioredis.
  'packages/store/src/redis/error.test.ts': ['refresh slots cache', 'rehashing of slot', 'to the same slot'],
  'packages/store/src/redis/error.ts': ['refresh slots cache'],
  'test/docs/plain-english.test.ts': [read('test/docs/plain-english.test.ts')],
}

const isProse = (path: string): boolean => /\.(?:md|ts|mjs|sh|py|svg|yml)$|file$|^package\.json$/.test(path)
const unquoted = (path: string): string =>
  (quotations[path] ?? []).reduce((text, quotation) => text.replaceAll(quotation, ''), read(path))

test('sources and documents use the words of the field', () => {
  const texts = files.filter((path) => isProse(path) && path !== 'pnpm-lock.yaml')
  expect(texts.length).toBeGreaterThan(400)
  expect(
    texts.flatMap((path) => {
      const lines = unquoted(path).split('\n')
      return avoided.flatMap(([word, better]) =>
        lines.filter((line) => line.match(word)).map((line) => `${path}: ${line.trim()} (${better})`),
      )
    }),
  ).toEqual([])
})

test('every quotation is still needed', () => {
  for (const [path, quoted] of Object.entries(quotations))
    for (const quotation of quoted) expect(read(path), path).toContain(quotation)
})
