-- What the probe has shown that a person's word let through a brake.
-- KEYS[1] `pv:holds`; ARGV[2] scope; ARGV[3] `good`, `bad` or `unclear`
-- Returns 0 nothing is on, or no probe is expected; 1 the brake stays on; 3 it is off.
-- After a bad answer it waits for the next word; after an unclear one another probe goes.
local scope, brake = ARGV[2], 'pv:brake:' .. ARGV[2]
if redis.call('EXISTS', brake) == 0 then return 0 end
if ARGV[3] == 'unclear' then
  redis.call('HSET', brake, 'next', now + 1000)
  return 1
end
redis.call('DEL', brake)
if ARGV[3] == 'bad' then return 1 end
redis.call('HDEL', KEYS[1], scope)
return 3
