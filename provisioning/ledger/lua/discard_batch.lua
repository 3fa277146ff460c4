-- Removes an empty batch, after a submission without new jobs. A batch that gave up its name for it gets it back.
-- KEYS[1] the batch
-- Returns 1 if it was empty and is removed; 0 if it has jobs, or another submitter has found it by its name
-- meanwhile and may add some.
local fields = redis.call('HMGET', KEYS[1], 'accepted', 'name', 'found', 'follows')
if not fields[1] then return 1 end -- a repeated call
if fields[1] ~= '0' or fields[3] then return 0 end
local owner = owner_of(KEYS[1])
local id, before = batch_id(KEYS[1]), fields[4]
local name = owned_name(owner, fields[2])
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEY.batches, id)
drop_webhook(id)
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
