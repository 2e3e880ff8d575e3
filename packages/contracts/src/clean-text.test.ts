import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cleanTexts } from './clean-text.ts'

const clean = (text: string, options = {}) => cleanTexts({ first_name: text }, options)

describe('a text', () => {
  test.each<[string, string | undefined, string[]]>([
    ['Ada', 'Ada', []],
    ['Zoë von der Heide', 'Zoë von der Heide', []],
    [' Ada ', 'Ada', ['text_trimmed']],
    ['\u00A0Ada\u3000\t\r\n', 'Ada', ['text_trimmed']],
    ['\uFEFFAda', 'Ada', ['text_trimmed']],
    ['Zoe\u0308', 'Zoë', ['text_composed']],
    ['', undefined, []],
    ['  ', undefined, ['text_blank']],
    ['\u00A0 ', undefined, ['text_blank']],
    ['\u200B', undefined, ['text_blank']],
    ['\u3164', undefined, ['text_blank']],
    ['क्\u200Dष', 'क्\u200Dष', []],
    ['می\u200Cخواهم', 'می\u200Cخواهم', []],
    ['葛\u{E0100}城', '葛\u{E0100}城', []],
    ['Ada 👩🏽\u200D💻 ❤\uFE0F', 'Ada 👩🏽\u200D💻 ❤\uFE0F', []],
    ['\u0600١', '\u0600١', []],
  ])('%j becomes %j', (text, expected, codes) => {
    const { value, problems, warnings } = clean(text)
    expect([value.first_name, problems, warnings.map(({ code }) => code)]).toEqual([expected, [], codes])
  })

  test.each([
    ['A\0da', 'U+0000 (NUL) as its character 2'],
    ['Ada\tL', 'U+0009 (tab) as its character 4'],
    ['Ada\nL', 'U+000A (line feed)'],
    ['Ada\u0085L', 'U+0085 (control character)'],
    [' 😀A\u200Bda', 'U+200B (zero width space) as its character 4'],
    ['Ada\u200B', 'U+200B (zero width space) as its character 4'],
    ['A\u200Dda', 'U+200D (zero width joiner)'],
    ['می\u200C', 'U+200C (zero width non-joiner)'],
    ['\u202Eada', 'U+202E (right-to-left override) as its character 1'],
    ['a\u2066d', 'U+2066 (left-to-right isolate)'],
    ['a\u00ADd', 'U+00AD (soft hyphen)'],
    ['a\u{E0041}', 'U+E0041 (invisible character)'],
    ['a\uFE0Fd', 'U+FE0F (invisible character)'],
    ['a\uD800', 'U+D800 (half of a surrogate pair)'],
  ])('%j is refused by the name and the place of what cannot be seen', (text, words) => {
    const { problems } = clean(text)
    expect(problems).toEqual([{ pointer: '/first_name', code: 'invalid_text', detail: expect.stringContaining(words) }])
  })

  test('keeps its spaces where that is asked, and is absent when it is blank all the same', () => {
    expect(clean(' Ada ', { keepsSpaces: true })).toEqual({
      value: { first_name: ' Ada ' },
      problems: [],
      warnings: [],
    })
    expect(clean('  ', { keepsSpaces: true }).value).toEqual({})
  })
})

describe('an object of texts', () => {
  test('is cleaned at any depth; what is blank leaves nothing behind', () => {
    const { value, warnings } = cleanTexts(
      {
        emails: [{ email: ' ' }, { email: ' a@x.de', is_primary: true }],
        languages: ['', 'en '],
        phones: [],
        group: 4,
      },
      { pointer: '/user' },
    )
    expect(value).toEqual({ emails: [{ email: 'a@x.de', is_primary: true }], languages: ['en'], phones: [], group: 4 })
    expect(warnings.map(({ pointer }) => pointer)).toEqual([
      '/user/emails/0/email',
      '/user/emails/1/email',
      '/user/languages/1',
    ])
  })

  test('passwords and what is passed on stay; a description keeps its lines', () => {
    const input = {
      password: ' \u200Bp\u0308 ',
      remote_data: { a: ' x ', b: '' },
      remote_query: { q: ' ' },
      description: 'one\r\n\ttwo\n',
    }
    expect(cleanTexts(input)).toMatchObject({ value: { ...input, description: 'one\r\n\ttwo' }, problems: [] })
  })

  test('may be an item, with the user below its own name', () => {
    const input = { reference: ' r', user: { password: ' p ', description: 'a\nb', first_name: ' ' } }
    expect(cleanTexts(input)).toMatchObject({
      value: { reference: 'r', user: { password: ' p ', description: 'a\nb' } },
      problems: [],
      warnings: [{ pointer: '/reference' }, { pointer: '/user/first_name' }],
    })
    expect(cleanTexts({ user: { first_name: '' } }).value).toEqual({ user: {} })
  })

  test('has no more than fifty warnings', () => {
    const { value, warnings } = cleanTexts({ languages: Array.from({ length: 80 }, () => ' ') })
    expect({ value, count: warnings.length }).toEqual({ value: {}, count: 50 })
  })

  test('of nothing but joiners is refused soon', () => {
    expect(cleanTexts({ first_name: `क${'\u200Dष\u200D'.repeat(30_000)}` }).problems).toHaveLength(1)
  })

  test('is itself where there is nothing to do', () => {
    const input = { first_name: 'Ada', emails: [{ email: 'ada@example.com' }] }
    expect(cleanTexts(input).value).toBe(input)
  })

  test('cleaned once is clean, and pointers are names in place', () => {
    fc.assert(
      fc.property(
        fc.record({ 'a/b': fc.string({ unit: 'binary' }), list: fc.array(fc.string({ unit: 'grapheme' })) }),
        (input) => {
          const once = cleanTexts(input)
          if (once.problems.length > 0) return
          expect(cleanTexts(once.value)).toEqual({ value: once.value, problems: [], warnings: [] })
        },
      ),
    )
    expect(cleanTexts({ 'a/b': '\0' }).problems[0]?.pointer).toBe('/a~1b')
  })

  test('a heap of marks costs no more than other texts, and is left as it is', () => {
    const heap = `a${'\u0301\u0316'.repeat(100_000)}`
    expect(cleanTexts({ name: heap })).toEqual({ value: { name: heap }, problems: [], warnings: [] })
    expect(cleanTexts({ name: `a${'\u0316\u0301'.repeat(15)}` }).value.name).toMatch(/^\u00E1\u0316/)
  })
})
