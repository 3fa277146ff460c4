-- Opens a batch under a name, or finds the one that has it.
-- KEYS[1] key of the batch to make; ARGV[2] name; ARGV[3…] further fields and values of the batch
-- Returns {id of the batch that has the name, 1 if it was made by this call, said once or twice}.
local known = redis.call('HGET', 'pv:names', ARGV[2])
local id = batch_id(KEYS[1])
if known == id then return { id, 1 } end
if known then
  -- While it is empty, whoever made it may still take it back: it must not, for we are about to fill it.
  local found = 'pv:{' .. known .. '}'
  if redis.call('HGET', found, 'accepted') == '0' then redis.call('HSET', found, 'found', 1) end
  return { known, 0 }
end
redis.call('SET', 'pv:format', '2', 'NX') -- kept.FORMAT
redis.call('HSET', 'pv:names', ARGV[2], id)
redis.call('ZADD', 'pv:batches', now, id)
redis.call('HSET', KEYS[1], 'name', ARGV[2], 'opened_at', now, 'accepted', 0, unpack(ARGV, 3))
return { id, 1 }
