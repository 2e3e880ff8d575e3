import { defineScript } from '../redis/script.ts'
import { OPEN_WORK } from './open-work.ts'

/** The account's keys, all in its hash slot. `waiting` is where the job waits for its lane. */
const ACCOUNT_KEYS = ['account', 'live', 'index', 'open', 'waiting', 'work'] as const
/** `secrets` and `callback` are '' where there are none; `score` is the job's in `waiting`. */
const OPERATION_ARGS = ['id', 'login', 'record', 'request', 'secrets', 'callback', 'expiresAt', 'score'] as const

/** Writes one operation, of which these parameters tell. Its first job is called as it is. */
const WRITE_OPERATION = `
redis.call('HSET', operation, 'record', record, 'version', 1, 'request', request)
if secrets ~= '' then redis.call('HSET', operation, 'secrets', secrets) end
if callback ~= '' then redis.call('HSET', operation, 'callback', callback) end
redis.call('HSET', live, login, id)
redis.call('ZADD', index, 0, id)
redis.call('ZADD', open, expiresAt, id)
redis.call('ZADD', waiting, score, '+' .. id)
opened(work, operation, #record + #request + #secrets + #callback)
`

/**
 * One create. Answers {kind, operation id, figures of the account's open work where it was accepted}. `keyed` is 1
 * where the request has an idempotency key.
 */
export const acceptScript = defineScript({
  keys: [...ACCOUNT_KEYS, 'operation', 'idempotency'],
  args: [...OPERATION_ARGS, 'fingerprint', 'keyed'],
  lua: `${OPEN_WORK}
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
if keyed == '1' then redis.call('HSET', idempotency, 'id', id, 'fingerprint', fingerprint) end
${WRITE_OPERATION}
return {'accepted', id, figures(work, open)}
`,
})

/** Rows of one batch at one account; an answer for each, in their order, and behind them the account's open work. */
export const acceptRowsScript = defineScript({
  keys: [...ACCOUNT_KEYS, 'counts'],
  item: { keys: ['operation'], args: OPERATION_ARGS },
  lua: (forEachItem) => `${OPEN_WORK}
local isGone = redis.call('EXISTS', account) == 0
local answers, accepted = {}, 0
${forEachItem(`
  local other = redis.call('HGET', live, login)
  if isGone then answers[item] = {'account_gone', ''}
  -- Of an upload that broke off and is sent again.
  elseif redis.call('EXISTS', operation) == 1 then answers[item] = {'replayed', id}
  elseif other then answers[item] = {'in_progress', other}
  else
    ${WRITE_OPERATION}
    accepted = accepted + 1
    answers[item] = {'accepted', id}
  end
`)}
if accepted > 0 then redis.call('HINCRBY', counts, 'queued', accepted) end
answers[itemCount + 1] = figures(work, open)
return answers
`,
})

/**
 * An operation joins the list of a reference. A later operation with less time must not take an earlier one out of the
 * list; PEXPIRE GT needs Redis 7.
 */
export const referenceScript = defineScript({
  keys: ['list'],
  args: ['id', 'lifetimeMs'],
  lua: `
redis.call('ZADD', list, 0, id)
if redis.call('PTTL', list) < tonumber(lifetimeMs) then redis.call('PEXPIRE', list, lifetimeMs) end
`,
})
