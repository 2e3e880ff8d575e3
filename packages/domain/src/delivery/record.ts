import { createHash } from 'node:crypto'
import type { EventRecord } from '../event.ts'

export interface DeliveryAttempt {
  number: number
  startedAt: number
  durationMs: number
  status: number | null
  reason: string | null
  reply: string | null
}

export type DeliveryStatus = 'pending' | 'delivered' | 'failed'

export interface DeliveryState {
  status: DeliveryStatus
  updatedAt: number
  finishedAt: number | null
  nextAttemptAt: number | null
  attemptCount: number
  /** Of this run: a replay starts the schedule again. */
  failedAttempts: number
  /** Why it failed without an attempt; absent otherwise. */
  reason?: 'too_many_pending' | undefined
  /** How often it was replayed; part of the job's id. */
  run: number
  attempts: DeliveryAttempt[]
}

/** One event on its way to one endpoint. */
export interface DeliveryRecord {
  id: string
  endpointId: string
  tenantId: string
  createdAt: number
  event: EventRecord
  state: DeliveryState
  version: number
}

/**
 * The same event for the same endpoint always has the same delivery: a UUIDv7 with the event's time, and a hash in
 * place of its random bits.
 */
export function deliveryIdOf(eventId: string, endpointId: string): string {
  const hash = createHash('sha256').update(`${eventId} ${endpointId}`).digest('hex')
  const variant = '89ab'[parseInt(hash[3] ?? '0', 16) % 4] ?? '8'
  return `${eventId.slice(0, 13)}-7${hash.slice(0, 3)}-${variant}${hash.slice(4, 7)}-${hash.slice(7, 19)}`
}
