-- Opens a batch under a name, or finds the one that has it.
-- KEYS[1] key of the batch to make; ARGV[2] name; ARGV[3…] further fields and values of the batch
-- Returns {id of the batch that has the name, 1 if it was made by this call, said once or twice}.
local known = redis.call('HGET', 'pv:names', ARGV[2])
local id = batch_id(KEYS[1])
if known then return { known, known == id and 1 or 0 } end
redis.call('HSET', 'pv:names', ARGV[2], id)
redis.call('ZADD', 'pv:batches', now, id)
redis.call('HSET', KEYS[1], 'name', ARGV[2], 'opened_at', now, 'accepted', 0, unpack(ARGV, 3))
return { id, 1 }
