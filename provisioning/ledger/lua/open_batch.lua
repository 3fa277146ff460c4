-- Opens a batch under a name, or finds the one that has it.
-- KEYS[1] key of the batch to make; ARGV[2] name; ARGV[3…] further fields and values of the batch
-- Returns {id of the batch that has the name, 1 if it was made now}.
local known = redis.call('HGET', 'pv:names', ARGV[2])
if known then return { known, 0 } end
local id = batch_id(KEYS[1])
redis.call('HSET', 'pv:names', ARGV[2], id)
redis.call('ZADD', 'pv:batches', now, id)
redis.call('HSET', KEYS[1], 'name', ARGV[2], 'opened_at', now, 'accepted', 0, unpack(ARGV, 3))
return { id, 1 }
