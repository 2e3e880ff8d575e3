import { defineScript } from './connect.ts'

/**
 * A record whose writers must have read its latest version, with what is sealed beside it, and what its change tells
 *   to the world: in one step.
 *
 * KEYS record, event outbox
 * ARGV version read ('' for a new one), record, sealed ('' to keep), event ('' for none), time of the event
 * Returns the version written, or nil.
 */
export const putRecordScript = defineScript(`
local version = redis.call('HGET', KEYS[1], 'version') or ''
if version ~= ARGV[1] then return nil end
redis.call('HSET', KEYS[1], 'record', ARGV[2])
if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'credentials', ARGV[3]) end
if ARGV[4] ~= '' then redis.call('ZADD', KEYS[2], ARGV[5], ARGV[4]) end
return redis.call('HINCRBY', KEYS[1], 'version', 1)
`)

/**
 * KEYS value. ARGV blob read ('' for none), blob to write. For a key that is one blob, and so has no version beside it.
 * It leaves when it would have left.
 */
export const swapValueScript = defineScript(`
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1
`)
