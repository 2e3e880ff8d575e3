import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { describeBadEmail } from './email-address.ts'

describe('an e-mail address', () => {
  test.each([
    'ada@example.com',
    "o'brien+hr_1@sub.example.co.uk",
    'a!#$%&*/=?^`{|}~-@example.com',
    'josé@example.com',
    'jürgen@müller.de',
    '用户@例子.公司',
    'x@xn--mller-kva.de',
    'A@EXAMPLE.COM',
    '1@2.io',
    `${'a'.repeat(64)}@example.com`,
  ])('%s is taken', (address) => {
    expect(describeBadEmail(address)).toBeUndefined()
  })

  test.each<[string, string]>([
    ['<ada@example.com>', 'without < and >'],
    ['Ada <ada@example.com>', 'alone'],
    ['mailto:ada@example.com', 'mailto:'],
    ['MAILTO:ada@example.com', 'mailto:'],
    ['ada@example.com; tom@example.com', 'one e-mail address'],
    ['ada@example.com.', 'ends with a dot'],
    ['ada.@example.com', 'before its @'],
    ['.ada@example.com', 'begins with a dot'],
    ['a..b@example.com', 'two dots'],
    ['a@b@example.com', 'more than one @'],
    ['ada', 'must be an e-mail address'],
    ['@example.com', 'must be an e-mail address'],
    ['ada@', 'must be an e-mail address'],
    ['ada @example.com', 'must be an e-mail address'],
    ['ada@example', 'no dot'],
    ['ada@.example.com', 'a dot follows'],
    ['ada@exa mple.com', 'must be an e-mail address'],
    ['ada@example..com', 'not a domain'],
    ['ada@-example.com', 'not a domain'],
    ['ada@exam_ple.com', 'not a domain'],
    ['ada@10.0.0.1', 'IP address'],
    ['ada@example.com:25', 'one e-mail address'],
    [`${'ü'.repeat(33)}@example.com`, '64 bytes'],
    ['ada@example.com\u200B', 'character 16 is U+200B (zero width space)'],
    ['ada\u202C@example.com', 'character 4 is U+202C'],
    ['ada@exa\u00ADmple.com', 'U+00AD (soft hyphen)'],
    ['\u0000ada@example.com', 'U+0000 (NUL)'],
    ['क्\u200Dष@example.com', 'zero width joiner'],
  ])('%j is refused with what is wrong', (address, words) => {
    expect(describeBadEmail(address)).toContain(words)
  })

  test('any text is validated in linear time', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void describeBadEmail(text)))
    expect(describeBadEmail('a.'.repeat(500_000))).toBeDefined()
  })

  test('the addresses of a generator of addresses are taken', () => {
    fc.assert(
      fc.property(fc.emailAddress(), (address) => {
        expect(describeBadEmail(address)).toBeUndefined()
      }),
    )
  })
})
