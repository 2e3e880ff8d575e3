import { defineScript } from '../redis/script.ts'
import { OPEN_WORK } from './open-work.ts'

/**
 * What a change of status does to the counts of the batch. Three only ever grow: `changes`, so that readers know a
 * newer count from an older one, and what the failure limit counts, since a row that is run again has still failed
 * before.
 */
const COUNT_CHANGE = `
local ends = {succeeded = true, failed = true, canceled = true, expired = true}
local function countChange()
  if isOfBatch ~= '1' or before == status then return end
  redis.call('HINCRBY', counts, before, -1)
  redis.call('HINCRBY', counts, status, 1)
  redis.call('HINCRBY', counts, 'changes', 1)
  if ends[status] then redis.call('HINCRBY', counts, 'everEnded', 1) end
  if status == 'failed' then redis.call('HINCRBY', counts, 'everFailed', 1) end
end
`

const KEYS = ['operation', 'live', 'open', 'waiting', 'idempotency', 'counts', 'work'] as const
/** `version` is the one that was read; `before` and `status` are the operation's, for the counts of its batch. */
const ARGS = ['id', 'login', 'version', 'record', 'job', 'isOfBatch', 'before', 'status'] as const

/**
 * Writes the next state of an operation; resolves with its version, or null where it has moved on. `result` and `event`
 * are '' where there is none; `removeJob` is 1 where the lane must not run it any more.
 */
export const saveScript = defineScript({
  keys: [...KEYS, 'outbox', 'events'],
  args: [...ARGS, 'result', 'isFinished', 'retentionMs', 'removeJob', 'channel', 'event', 'eventAt'],
  lua: `${COUNT_CHANGE}${OPEN_WORK}
if redis.call('HGET', operation, 'version') ~= version then return nil end
local written = redis.call('HINCRBY', operation, 'version', 1)
redis.call('HSET', operation, 'record', record)
-- With the change itself: an event that is added afterwards is lost with the process that was to add it.
if event ~= '' then redis.call('ZADD', events, eventAt, event) end
countChange()
if result ~= '' then
  redis.call('HSET', operation, 'result', result)
  -- A success is never run again, so its request is not needed.
  redis.call('HDEL', operation, 'request')
end
if isFinished == '1' then
  if redis.call('HDEL', operation, 'secrets') == 1 and result == '' then redis.call('HSET', operation, 'had-secrets', 1) end
  redis.call('PEXPIRE', operation, retentionMs)
  redis.call('PEXPIRE', idempotency, retentionMs)
  if redis.call('HGET', live, login) == id then redis.call('HDEL', live, login) end
  if redis.call('ZREM', open, id) == 1 then ended(work, open, operation) end
  -- A job that the lane has not been given yet need not be taken from it.
  if removeJob == '1' and redis.call('ZREM', waiting, '+' .. job) == 0 then redis.call('ZADD', outbox, 0, '-' .. job) end
  redis.call('PUBLISH', channel, id)
end
return written
`,
})

/** An operation that has ended goes back to its lane. Answers {kind, operation id, figures of the open work}. */
export const requeueScript = defineScript({
  keys: KEYS,
  args: [...ARGS, 'request', 'secrets', 'expiresAt', 'score'],
  lua: `${COUNT_CHANGE}${OPEN_WORK}
if redis.call('HGET', operation, 'version') ~= version then return {'stale', ''} end
local other = redis.call('HGET', live, login)
if other and other ~= id then return {'in_progress', other} end
redis.call('HINCRBY', operation, 'version', 1)
redis.call('HSET', operation, 'record', record, 'request', request)
redis.call('HDEL', operation, 'had-secrets')
if secrets ~= '' then redis.call('HSET', operation, 'secrets', secrets) end
redis.call('PERSIST', operation)
redis.call('PERSIST', idempotency)
redis.call('HSET', live, login, id)
redis.call('ZADD', open, expiresAt, id)
redis.call('ZADD', waiting, score, '+' .. job)
countChange()
opened(work, operation, #record + #request + #secrets)
return {'accepted', id, figures(work, open)}
`,
})

/**
 * An operation goes back to where it waited before its lane took it. Under another job id: the job that is at work on
 * it is still in the lane, where the same id would be taken for a duplicate and lost.
 */
export const parkScript = defineScript({
  keys: ['operation', 'waiting'],
  args: ['version', 'record', 'score', 'job'],
  lua: `
if redis.call('HGET', operation, 'version') ~= version then return nil end
redis.call('HSET', operation, 'record', record)
redis.call('ZADD', waiting, score, '+' .. job)
return redis.call('HINCRBY', operation, 'version', 1)
`,
})
