import { defineScript } from './redis.ts'

/**
 * KEYS account, operation, idempotency, live login, index, open operations, outbox
 * ARGV id, head, state, request, secrets, callback, fingerprint, has idempotency key, created at, expires at, priority, job id
 */
export const acceptScript = defineScript(`
local account, operation, idempotency, live, index, open, outbox = unpack(KEYS)
local id, head, state, request, secrets, callback, fingerprint, keyed, createdAt, expiresAt, priority, job = unpack(ARGV)
if redis.call('EXISTS', account) == 0 then return {'account_gone', ''} end
if keyed == '1' then
  local before = redis.call('HMGET', idempotency, 'id', 'fingerprint')
  if before[1] then
    if before[2] == fingerprint then return {'replayed', before[1]} end
    return {'reused', before[1]}
  end
end
local other = redis.call('GET', live)
if other then return {'in_progress', other} end
redis.call('HSET', operation, 'head', head, 'state', state, 'version', 1, 'request', request)
if secrets ~= '' then redis.call('HSET', operation, 'secrets', secrets, 'had-secrets', 1) end
if callback ~= '' then redis.call('HSET', operation, 'callback', callback) end
if keyed == '1' then redis.call('HSET', idempotency, 'id', id, 'fingerprint', fingerprint) end
redis.call('SET', live, id)
redis.call('ZADD', index, 0, id)
redis.call('ZADD', open, expiresAt, id)
redis.call('ZADD', outbox, priority * 1e14 + createdAt, '+' .. job)
return {'accepted', id}
`)

/**
 * KEYS operation, live login, open operations, outbox, idempotency, event outbox
 * ARGV id, version read, state, result, finished, retention, job id, job must be removed, channel, event, time of the event
 */
export const saveScript = defineScript(`
local operation, live, open, outbox, idempotency, events = unpack(KEYS)
local id, version, state, result, finished, retention, job, removeJob, channel, event, eventAt = unpack(ARGV)
if redis.call('HGET', operation, 'version') ~= version then return nil end
local written = redis.call('HINCRBY', operation, 'version', 1)
redis.call('HSET', operation, 'state', state)
-- With the change itself: an event that is added afterwards is lost with the process that was to add it.
if event ~= '' then redis.call('ZADD', events, eventAt, event) end
if result ~= '' then
  redis.call('HSET', operation, 'result', result)
  -- Nobody runs a success again, so nobody needs the request any more.
  redis.call('HDEL', operation, 'request')
end
if finished == '1' then
  redis.call('HDEL', operation, 'secrets')
  redis.call('PEXPIRE', operation, retention)
  redis.call('PEXPIRE', idempotency, retention)
  if redis.call('GET', live) == id then redis.call('DEL', live) end
  redis.call('ZREM', open, id)
  if removeJob == '1' then
    redis.call('ZREM', outbox, '+' .. job)
    redis.call('ZADD', outbox, 0, '-' .. job)
  end
  redis.call('PUBLISH', channel, id)
end
return written
`)

/**
 * KEYS operation, live login, open operations, outbox, idempotency
 * ARGV id, version read, state, request, secrets, expires at, priority, job id, now
 */
export const requeueScript = defineScript(`
local operation, live, open, outbox, idempotency = unpack(KEYS)
local id, version, state, request, secrets, expiresAt, priority, job, now = unpack(ARGV)
if redis.call('HGET', operation, 'version') ~= version then return {'stale', ''} end
local other = redis.call('GET', live)
if other and other ~= id then return {'in_progress', other} end
redis.call('HINCRBY', operation, 'version', 1)
redis.call('HSET', operation, 'state', state, 'request', request)
if secrets ~= '' then redis.call('HSET', operation, 'secrets', secrets, 'had-secrets', 1) end
redis.call('PERSIST', operation)
redis.call('PERSIST', idempotency)
redis.call('SET', live, id)
redis.call('ZADD', open, expiresAt, id)
redis.call('ZADD', outbox, priority * 1e14 + now, '+' .. job)
return {'accepted', id}
`)

/** KEYS index of a reference. ARGV id, lifetime. A later operation with less time must not take an earlier one out of the list; PEXPIRE GT is of Redis 7. */
export const referenceScript = defineScript(`
redis.call('ZADD', KEYS[1], 0, ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
`)
