import type { EventDraft, EventSourceRef } from '@muster/domain/event'
import { identifyEvent } from '../webhooks/identify-event.ts'
import type { Redis } from './connect.ts'
import { keys } from './keys.ts'
import { defineScript } from './script.ts'

/**
 * A record that is written over the version that was read, with what is sealed beside it and the event that its change
 * raises, in one step. Resolves with the version written, or null where the record has moved on.
 * `version` is '' for a new record, `sealed` '' to keep what is there, `event` '' for none.
 */
const putRecordScript = defineScript({
  keys: ['record', 'events'],
  args: ['version', 'next', 'sealed', 'event', 'eventAt'],
  lua: `
if (redis.call('HGET', record, 'version') or '') ~= version then return nil end
redis.call('HSET', record, 'record', next)
if sealed ~= '' then redis.call('HSET', record, 'credentials', sealed) end
if event ~= '' then redis.call('ZADD', events, eventAt, event) end
return redis.call('HINCRBY', record, 'version', 1)
`,
})

/**
 * For a key that is one blob, with no version beside it: written only over the blob that was read ('' for none), and
 * its time to live stays. Resolves with 1 where it was written.
 */
export const swapValueScript = defineScript({
  keys: ['value'],
  args: ['before', 'next'],
  lua: `
if (redis.call('GET', value) or '') ~= before then return 0 end
redis.call('SET', value, next, 'KEEPTTL')
return 1
`,
})

/** Another writer came between reading and writing. */
export const CONFLICT = Symbol('conflict')

/** Reads, decides and writes again until no other writer comes in between. */
export async function untilWritten<T>(attempt: () => Promise<T | typeof CONFLICT>): Promise<T> {
  for (;;) {
    const result = await attempt()
    if (result !== CONFLICT) return result
  }
}

/** What `updateRecord` needs of a kind of record. */
export interface VersionedRecord<Record, Present extends { record: Record; version: string }> {
  key: string
  source: EventSourceRef
  read: () => Promise<Present | undefined>
  /** May run again after a conflict; undefined, or the record itself, leaves it as it is. */
  change: (record: Record) => Awaitable<Record | undefined>
  /** JSON where it is absent. */
  encode?: (record: Record) => string
  /** What is kept sealed beside the record; absent where it stays. */
  toSealed?: (present: Present) => Buffer | undefined
  /** The event for webhook endpoints; undefined for most changes. */
  toEvent: (before: Record, next: Record, version: number) => Awaitable<EventDraft | undefined>
}
type Awaitable<T> = T | Promise<T>

/** Resolves with false where another writer came between. */
export async function writeRecord<Record, Present extends { record: Record; version: string }>(
  redis: Redis,
  {
    key,
    source,
    encode = JSON.stringify,
    toSealed,
    toEvent,
  }: Omit<VersionedRecord<Record, Present>, 'read' | 'change'>,
  present: Present,
  next: Record,
): Promise<boolean> {
  const draft = await toEvent(present.record, next, Number(present.version) + 1)
  const written = await putRecordScript(redis, {
    record: key,
    events: keys.eventOutbox(source),
    version: present.version,
    next: encode(next),
    sealed: toSealed?.(present) ?? '',
    ...toEventEntry(draft),
  })
  return written !== null
}

/** Resolves with the record as it is then; undefined where there is none. */
export function updateRecord<Record, Present extends { record: Record; version: string }>(
  redis: Redis,
  { read, change, ...kind }: VersionedRecord<Record, Present>,
): Promise<Record | undefined> {
  return untilWritten(async () => {
    const present = await read()
    if (!present) return undefined
    const next = await change(present.record)
    if (!next || (next === present.record && !kind.toSealed?.(present))) return present.record
    return (await writeRecord<Record, Present>(redis, kind, present, next)) ? next : CONFLICT
  })
}

/** An event as the scripts take it, '' for none. */
export const toEventEntry = (draft: EventDraft | undefined): { event: string; eventAt: number } =>
  draft ? { event: JSON.stringify(identifyEvent(draft)), eventAt: draft.at } : { event: '', eventAt: 0 }

/** A record that is not there yet, encoded. */
export async function createRecord(
  redis: Redis,
  { key, source, record, sealed }: { key: string; source: EventSourceRef; record: string; sealed: Buffer | '' },
): Promise<void> {
  const call = { version: '', next: record, sealed, ...toEventEntry(undefined) }
  await putRecordScript(redis, { record: key, events: keys.eventOutbox(source), ...call })
}

/** Those that are there, in the order asked for. */
export async function readRecords<Record>(redis: Redis, recordKeys: readonly string[]): Promise<Record[]> {
  if (recordKeys.length === 0) return []
  const pipeline = redis.pipeline()
  for (const key of recordKeys) pipeline.hget(key, 'record')
  const rows = (await pipeline.exec()) ?? []
  return rows.flatMap(([, record]) => (typeof record === 'string' ? [JSON.parse(record) as Record] : []))
}
