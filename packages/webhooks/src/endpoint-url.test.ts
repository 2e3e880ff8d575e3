import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkEndpointUrl } from './endpoint-url.ts'

const allowed = new Set(['127.0.0.1:8090', 'receiver:80'])
const codesOf = (text: string): string[] => checkEndpointUrl(text, allowed).map(({ code }) => code)

describe('the address of an endpoint', () => {
  test.each([
    'https://example.com',
    'https://example.com:8443/a/b?c=d',
    'https://EXAMPLE.com/',
    'https://bücher.example/',
    'https://10.0.0.1/',
    'http://127.0.0.1:8090/hook',
    'http://receiver/',
    'https://127.0.0.1:8090/',
  ])('may be %s', (text) => expect(codesOf(text)).toEqual([]))

  test.each<[string, string[]]>([
    ['', ['invalid_url']],
    ['example.com/hook', ['invalid_url']],
    ['/hook', ['invalid_url']],
    ['https://', ['invalid_url']],
    ['https://exa mple.com', ['invalid_url']],
    [' https://example.com', ['invalid_url']],
    ['https://example.com/\n', ['invalid_url']],
    ['https://example.com/a\tb', ['invalid_url']],
    ['http://example.com/', ['https_required']],
    ['http://127.0.0.1:8091/', ['https_required']],
    ['http://127.0.0.1/', ['https_required']],
    ['ftp://127.0.0.1:8090/', ['https_required']],
    ['javascript:alert(1)', ['https_required']],
    ['https://ada@example.com/', ['user_info']],
    ['https://:secret@example.com/', ['user_info']],
    ['https://example.com/#part', ['fragment']],
    ['https://example.com/#', ['fragment']],
    ['http://ada:secret@example.com/#part', ['https_required', 'user_info', 'fragment']],
  ])('may not be "%s"', (text, codes) => expect(codesOf(text)).toEqual(codes))

  test('is at most 2,000 characters long', () => {
    const base = 'https://example.com/'
    expect(codesOf(base.padEnd(2_000, 'a'))).toEqual([])
    expect(checkEndpointUrl(base.padEnd(2_001, 'a'), allowed)).toEqual([
      { code: 'too_long', detail: 'must be at most 2,000 characters' },
    ])
  })

  test('is validated without throwing and without quoting it, whatever it is', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.webUrl(),
          fc.string().map((text) => `https://secret-of-mine:${text}@example.com/`),
        ),
        (text) => {
          for (const { detail } of checkEndpointUrl(text, allowed)) expect(detail).not.toContain('secret-of-mine')
        },
      ),
    )
  })
})
