import { expect, test } from 'vitest'
import type { DeliveryResource } from '../../packages/contracts/src/webhook-endpoint.ts'
import { checkUntrusted } from './webhook-invariants.ts'

const logOf = (...reasons: (string | null)[]): Pick<DeliveryResource, 'attempts'>[] => [
  {
    attempts: reasons.map((reason, index) => ({
      number: index + 1,
      started_at: '2026-01-01T00:00:00Z',
      duration_ms: 1,
      status: null,
      reason,
      reply: null,
    })),
  },
]

test.each<[string, number, (string | null)[], string[]]>([
  ['a refused certificate', 0, ['tls', 'tls'], []],
  ['a handshake that took too long at first', 0, ['connection_failed', 'tls'], []],
  ['a handshake that was broken off with its lane', 0, ['aborted', 'tls'], []],
  [
    'only handshakes that took too long',
    0,
    ['connection_failed', 'connection_failed'],
    ['the log of a receiver whose certificate no one vouches for does not say tls, but 2 connection_failed'],
  ],
  [
    'another reason besides',
    0,
    ['tls', 'connection_lost'],
    ['the log of a receiver whose certificate no one vouches for does not say tls, but 1 tls, 1 connection_lost'],
  ],
  [
    'bytes that arrived',
    1,
    ['tls', null],
    [
      '1 requests came to a receiver whose certificate no one vouches for (1 tls, 1 none)',
      'the log of a receiver whose certificate no one vouches for does not say tls, but 1 tls, 1 none',
    ],
  ],
])('%s: what arrived and what the log says are separate findings', (_title, arrived, reasons, broken) => {
  expect(checkUntrusted(arrived, logOf(...reasons))).toEqual(broken)
})
