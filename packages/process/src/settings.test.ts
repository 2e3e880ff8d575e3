import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { hostAndPort, parseAllowedHosts } from '@muster/contracts/allowed-hosts'
import { logLevelSchema, parsedBy, portSchema, readSettings, redisUrlSchema } from './settings.ts'

const schema = z.object({
  REDIS_URL: redisUrlSchema,
  PORT: portSchema.default(8080),
  LOG_LEVEL: logLevelSchema.default('info'),
  SECRET: parsedBy((text) => {
    if (text !== 'good') throw new RangeError('is not what it should be')
    return text.length
  }),
})

describe('settings from the environment', () => {
  test('are read, with defaults for what is absent or empty', () => {
    expect(
      readSettings(schema, { REDIS_URL: 'rediss://r:1', PORT: '0', LOG_LEVEL: ' ', SECRET: 'good', HOME: '/root' }),
    ).toEqual({ REDIS_URL: 'rediss://r:1', PORT: 0, LOG_LEVEL: 'info', SECRET: 4 })
  })

  test('one line names every bad setting and quotes no value', () => {
    const environment = {
      REDIS_URL: 'http://user:hunter2@redis',
      PORT: '70000',
      LOG_LEVEL: 'loudest',
      SECRET: 'hunter3',
    }
    let message = ''
    try {
      readSettings(schema, environment)
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError)
      message = (error as Error).message
    }
    for (const name of Object.keys(environment)) expect(message).toContain(name)
    for (const value of Object.values(environment)) expect(message).not.toContain(value)
    expect(message).not.toContain('\n')
  })

  test('what is wrong is said in words that name what would be right', () => {
    const counts = z.object({
      KEYS: z.string(),
      SECONDS: z.coerce.number().int().min(0).max(300).default(5),
      LEVEL: z.enum(['info', 'warn']).default('info'),
    })
    const refusal = (environment: Record<string, string>): string => {
      try {
        readSettings(counts, environment)
        return ''
      } catch (error) {
        return (error as Error).message
      }
    }
    expect(refusal({})).toBe('Bad settings: KEYS is required.')
    expect(refusal({ KEYS: 'x', SECONDS: 'soon' })).toBe('Bad settings: SECONDS must be a number.')
    expect(refusal({ KEYS: 'x', SECONDS: '1.5' })).toBe('Bad settings: SECONDS must be a whole number.')
    expect(refusal({ KEYS: 'x', SECONDS: '-1' })).toBe('Bad settings: SECONDS must be at least 0.')
    expect(refusal({ KEYS: 'x', SECONDS: '301' })).toBe('Bad settings: SECONDS must be at most 300.')
    expect(refusal({ KEYS: 'x', LEVEL: 'x' })).toBe('Bad settings: LEVEL must be one of "info", "warn".')
  })

  test.each(['1.5', 'http', '-1', '65536'])('a port is no %s', (port) => {
    expect(portSchema.safeParse(port).success).toBe(false)
  })
})

describe('allowed hosts', () => {
  test('are exact pairs of host and port, in any case', () => {
    expect([...parseAllowedHosts(' LocalHost:80, [::1]:8080 ,127.0.0.1:1,')]).toEqual([
      'localhost:80',
      '[::1]:8080',
      '127.0.0.1:1',
    ])
    expect(parseAllowedHosts('').size).toBe(0)
  })

  test.each(['localhost', 'http://localhost:80', '*:80', 'localhost:80/path', '::1:80', 'host:123456'])(
    '%s is refused',
    (entry) => {
      expect(() => parseAllowedHosts(`good:1,${entry}`)).toThrow(RangeError)
    },
  )

  test('a URL is compared with its port written out', () => {
    expect(hostAndPort(new URL('https://Example.COM/path'))).toBe('example.com:443')
    expect(hostAndPort(new URL('http://example.com'))).toBe('example.com:80')
    expect(hostAndPort(new URL('http://[::1]:8080'))).toBe('[::1]:8080')
  })
})
