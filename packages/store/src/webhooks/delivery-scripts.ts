import { defineScript } from '../redis/script.ts'

/** While the delivery is there, the same event given again changes nothing. Resolves with 0 without the endpoint. */
export const createDeliveryScript = defineScript({
  keys: ['endpoint', 'delivery', 'index', 'outbox', 'pending'],
  args: ['id', 'head', 'state', 'url', 'at', 'lifetimeMs'],
  lua: `
if redis.call('EXISTS', endpoint) == 0 then return 0 end
if redis.call('EXISTS', delivery) == 1 then return 1 end
redis.call('HSET', delivery, 'head', head, 'state', state, 'version', 1)
if url ~= '' then redis.call('HSET', delivery, 'url', url) end
redis.call('PEXPIRE', delivery, lifetimeMs)
redis.call('ZADD', index, 0, id)
redis.call('ZADD', outbox, at, '+' .. id)
redis.call('ZADD', pending, at, id)
return 1
`,
})

/** `job` is '' where none is added, `replies` '' where what is kept stays. */
export const saveDeliveryScript = defineScript({
  keys: ['delivery', 'outbox', 'pending'],
  args: ['id', 'version', 'state', 'replies', 'isPending', 'job', 'at', 'lifetimeMs'],
  lua: `
if redis.call('HGET', delivery, 'version') ~= version then return nil end
redis.call('HSET', delivery, 'state', state)
if replies ~= '' then redis.call('HSET', delivery, 'replies', replies) end
redis.call('PEXPIRE', delivery, lifetimeMs)
if job ~= '' then redis.call('ZADD', outbox, at, '+' .. job) end
if isPending == '1' then redis.call('ZADD', pending, at, id) else redis.call('ZREM', pending, id) end
return redis.call('HINCRBY', delivery, 'version', 1)
`,
})
