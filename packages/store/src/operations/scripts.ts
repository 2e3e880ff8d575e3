import { OPEN_WORK } from './open-work.ts'
import { defineScript } from '../redis/connect.ts'

/**
 * KEYS account, operation, idempotency, live logins, index, open operations, outbox, open work
 * ARGV id, login, record, request, secrets, callback, fingerprint, has idempotency key, expires at, score in the
 * outbox, job id
 */
export const acceptScript = defineScript(`${OPEN_WORK}
local account, operation, idempotency, live, index, open, outbox, work = unpack(KEYS)
local id, login, record, request, secrets, callback, fingerprint, keyed, expiresAt, score, job = unpack(ARGV)
if redis.call('EXISTS', account) == 0 then return {'account_gone', ''} end
if keyed == '1' then
  local before = redis.call('HMGET', idempotency, 'id', 'fingerprint')
  if before[1] then
    if before[2] == fingerprint then return {'replayed', before[1]} end
    return {'reused', before[1]}
  end
end
local other = redis.call('HGET', live, login)
if other then return {'in_progress', other} end
redis.call('HSET', operation, 'record', record, 'version', 1, 'request', request)
if secrets ~= '' then redis.call('HSET', operation, 'secrets', secrets) end
if callback ~= '' then redis.call('HSET', operation, 'callback', callback) end
if keyed == '1' then redis.call('HSET', idempotency, 'id', id, 'fingerprint', fingerprint) end
redis.call('HSET', live, login, id)
redis.call('ZADD', index, 0, id)
redis.call('ZADD', open, expiresAt, id)
redis.call('ZADD', outbox, score, '+' .. job)
opened(work, operation, #record + #request + #secrets + #callback)
return {'accepted', id, figures(work, open)}
`)

/**
 * Rows of one batch at one account; an answer for each, in their order, and behind them the account's open work.
 *
 * KEYS account, live logins, index, open operations, batch outbox, part of the batch, open work, then the operation of
 *   each row
 * ARGV for each row: id, which is its job's too, login, record, request, secrets, callback, expires at, score in the
 *   outbox
 */
export const acceptRowsScript = defineScript(`${OPEN_WORK}
local account, live, index, open, outbox, part, work = unpack(KEYS, 1, 7)
local isGone = redis.call('EXISTS', account) == 0
local answers, accepted = {}, 0
for row = 1, #KEYS - 7 do
  local operation = KEYS[row + 7]
  local id, login, record, request, secrets, callback, expiresAt, score = unpack(ARGV, row * 8 - 7, row * 8)
  local other = redis.call('HGET', live, login)
  if isGone then answers[row] = {'account_gone', ''}
  -- Of an upload that broke off and is sent again.
  elseif redis.call('EXISTS', operation) == 1 then answers[row] = {'replayed', id}
  elseif other then answers[row] = {'in_progress', other}
  else
    redis.call('HSET', operation, 'record', record, 'version', 1, 'request', request)
    if secrets ~= '' then redis.call('HSET', operation, 'secrets', secrets) end
    if callback ~= '' then redis.call('HSET', operation, 'callback', callback) end
    redis.call('HSET', live, login, id)
    redis.call('ZADD', index, 0, id)
    redis.call('ZADD', open, expiresAt, id)
    redis.call('ZADD', outbox, score, '+' .. id)
    opened(work, operation, #record + #request + #secrets + #callback)
    accepted = accepted + 1
    answers[row] = {'accepted', id}
  end
end
if accepted > 0 then redis.call('HINCRBY', part, 'queued', accepted) end
answers[#KEYS - 6] = figures(work, open)
return answers
`)

/**
 * What a change of status does to the counts of the batch. The last three only ever grow: `changes`, so that readers
 * know a newer count from an older one, and what the failure limit counts, since a row that is run again has still failed
 * before.
 */
const COUNT = `
local ends = {succeeded = true, failed = true, canceled = true, expired = true}
local function count(part, from, to)
  if from == to then return end
  redis.call('HINCRBY', part, from, -1)
  redis.call('HINCRBY', part, to, 1)
  redis.call('HINCRBY', part, 'changes', 1)
  if ends[to] then redis.call('HINCRBY', part, 'everEnded', 1) end
  if to == 'failed' then redis.call('HINCRBY', part, 'everFailed', 1) end
end
`

/**
 * KEYS operation, live logins, open operations, outbox, idempotency, event outbox, part of a batch, where its job waits
 * for the lane, open work ARGV id, login, version read, record, result, finished, retention, job id, job must be removed, channel,
 * event, time of the event, is of a batch, status before, status
 */
export const saveScript = defineScript(`${COUNT}${OPEN_WORK}
local operation, live, open, outbox, idempotency, events, part, waiting, work = unpack(KEYS)
local id, login, version, record, result, finished, retention, job, removeJob, channel, event, eventAt, isOfBatch, before, status = unpack(ARGV)
if redis.call('HGET', operation, 'version') ~= version then return nil end
local written = redis.call('HINCRBY', operation, 'version', 1)
redis.call('HSET', operation, 'record', record)
-- With the change itself: an event that is added afterwards is lost with the process that was to add it.
if event ~= '' then redis.call('ZADD', events, eventAt, event) end
if isOfBatch == '1' then count(part, before, status) end
if result ~= '' then
  redis.call('HSET', operation, 'result', result)
  -- Nobody runs a success again, so nobody needs the request any more.
  redis.call('HDEL', operation, 'request')
end
if finished == '1' then
  if redis.call('HDEL', operation, 'secrets') == 1 and result == '' then redis.call('HSET', operation, 'had-secrets', 1) end
  redis.call('PEXPIRE', operation, retention)
  redis.call('PEXPIRE', idempotency, retention)
  if redis.call('HGET', live, login) == id then redis.call('HDEL', live, login) end
  if redis.call('ZREM', open, id) == 1 then ended(work, open, operation) end
  -- A job that the lane was not given yet need not be taken from it.
  if removeJob == '1' and redis.call('ZREM', waiting, '+' .. job) == 0 then redis.call('ZADD', outbox, 0, '-' .. job) end
  redis.call('PUBLISH', channel, id)
end
return written
`)

/**
 * KEYS operation, live logins, open operations, outbox, idempotency, part of a batch, open work
 * ARGV id, login, version read, record, request, secrets, expires at, score in the outbox, job id, is of a batch,
 * status before, status
 */
export const requeueScript = defineScript(`${COUNT}${OPEN_WORK}
local operation, live, open, outbox, idempotency, part, work = unpack(KEYS)
local id, login, version, record, request, secrets, expiresAt, score, job, isOfBatch, before, status = unpack(ARGV)
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
redis.call('ZADD', outbox, score, '+' .. job)
if isOfBatch == '1' then count(part, before, status) end
opened(work, operation, #record + #request + #secrets)
return {'accepted', id, figures(work, open)}
`)

/**
 * KEYS operation, where its job waits for the lane
 * ARGV version read, record, score, job id
 * Under another job id: the one that is at work on it is still in the lane, where the same one would be taken for a
 *   double and lost.
 */
export const parkScript = defineScript(`
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] then return nil end
redis.call('HSET', KEYS[1], 'record', ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[3], '+' .. ARGV[4])
return redis.call('HINCRBY', KEYS[1], 'version', 1)
`)

/**
 * KEYS index of a reference. ARGV id, lifetime. A later operation with less time must not take an earlier one out of
 * the list; PEXPIRE GT is of Redis 7.
 */
export const referenceScript = defineScript(`
redis.call('ZADD', KEYS[1], 0, ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
`)
