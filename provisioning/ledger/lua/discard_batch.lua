-- Takes an empty batch back: a submission that brought nothing new leaves no trace.
-- KEYS[1] the batch. Returns 1 if it was empty and is gone, 0 if it holds jobs, or another has found it by its
-- name meanwhile and may bring some, and stays.
local fields = redis.call('HMGET', KEYS[1], 'accepted', 'name', 'found')
if not fields[1] then return 1 end -- said twice
if fields[1] ~= '0' or fields[3] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEY.batches, batch_id(KEYS[1]))
local id, name = batch_id(KEYS[1]), fields[2]
if redis.call('HGET', KEY.names, name) == id then redis.call('HDEL', KEY.names, name) end
return 1
