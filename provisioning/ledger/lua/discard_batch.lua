-- Takes an empty batch back: a submission that brought nothing new leaves no trace. One that gave its name up
-- for it has it again.
-- KEYS[1] the batch. Returns 1 if it was empty and is gone, 0 if it holds jobs, or another has found it by its
-- name meanwhile and may bring some, and stays.
local fields = redis.call('HMGET', KEYS[1], 'accepted', 'name', 'found', 'follows')
if not fields[1] then return 1 end -- said twice
if fields[1] ~= '0' or fields[3] then return 0 end
local owner = owner_of(KEYS[1])
local id, before = batch_id(KEYS[1]), fields[4]
local name = owned_name(owner, fields[2])
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEY.batches, id)
forget_webhook(id)
if redis.call('HGET', KEY.names, name) ~= id then return 1 end
redis.call('HDEL', KEY.names, name)
local called = before and redis.call('HGET', batch_key(before), 'name')
if called then
  called = owned_name(owner, called)
  if redis.call('HGET', KEY.names, called) == before then redis.call('HDEL', KEY.names, called) end
  redis.call('HSET', KEY.names, name, before)
  redis.call('HSET', batch_key(before), 'name', fields[2])
end
return 1
