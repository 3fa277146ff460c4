-- A person lets a scope go on. A pause ends at once; a brake sends one probe and comes off if that succeeds.
-- That on a batch ends at once as well: whoever still cannot open its bodies sends nothing, and puts it on again.
-- KEYS[1] `pv:holds`; ARGV[2] scope
-- Returns 0 it was not held; 1 it goes on; 2 a probe is sent first.
local hold = redis.call('HGET', KEYS[1], ARGV[2])
if not hold then return 0 end
local kind = cjson.decode(hold).kind
if kind == 'brake' and string.sub(ARGV[2], 1, 6) ~= 'batch:' then
  redis.call('HSET', 'pv:brake:' .. ARGV[2], 'next', now)
  return 2
end
redis.call('HDEL', KEYS[1], ARGV[2])
redis.call('DEL', 'pv:brake:' .. ARGV[2])
return 1
