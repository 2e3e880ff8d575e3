import { defineScript } from '../redis/script.ts'

/**
 * While the delivery is there, the same event given again changes nothing. Resolves with 0 without the endpoint. One
 * for which the endpoint has no room is written as `refused`, and goes into no lane.
 */
export const createDeliveryScript = defineScript({
  keys: ['endpoint', 'delivery', 'index', 'outbox', 'pending'],
  args: ['id', 'head', 'state', 'refused', 'url', 'at', 'lifetimeMs', 'retentionMs', 'mostPending'],
  lua: `
if redis.call('EXISTS', endpoint) == 0 then return 0 end
if redis.call('EXISTS', delivery) == 1 then return 1 end
local isFull = redis.call('ZCARD', pending) >= tonumber(mostPending)
redis.call('HSET', delivery, 'head', head, 'state', isFull and refused or state, 'version', 1)
if url ~= '' then redis.call('HSET', delivery, 'url', url) end
redis.call('PEXPIRE', delivery, isFull and retentionMs or lifetimeMs)
redis.call('ZADD', index, 0, id)
if isFull then return 1 end
redis.call('ZADD', outbox, at, '+' .. id)
redis.call('ZADD', pending, at, id)
return 1
`,
})

/**
 * `job` is '' where none is added, `replies` '' where what is kept stays. Resolves with the version: null where it has
 * moved on, 0 where one that has ended would be pending again, and the endpoint has no room for it.
 */
export const saveDeliveryScript = defineScript({
  keys: ['delivery', 'outbox', 'pending'],
  args: ['id', 'version', 'state', 'replies', 'isPending', 'job', 'at', 'lifetimeMs', 'mostPending'],
  lua: `
if redis.call('HGET', delivery, 'version') ~= version then return nil end
if job ~= '' and redis.call('ZCARD', pending) >= tonumber(mostPending) then return 0 end
redis.call('HSET', delivery, 'state', state)
if replies ~= '' then redis.call('HSET', delivery, 'replies', replies) end
redis.call('PEXPIRE', delivery, lifetimeMs)
if job ~= '' then redis.call('ZADD', outbox, at, '+' .. job) end
if isPending == '1' then redis.call('ZADD', pending, at, id) else redis.call('ZREM', pending, id) end
return redis.call('HINCRBY', delivery, 'version', 1)
`,
})
