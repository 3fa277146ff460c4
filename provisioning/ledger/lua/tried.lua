-- What the probe has shown that a person's word let through a brake.
-- KEYS[1] `pv:holds`; then schema.Tried
-- Returns 1 if the brake is off now; 0 if it stays on, or nothing is on, or no probe is expected.
-- After a bad answer it waits for the next word; after an unclear one another probe goes.
local brake = KEY.brake .. arg.scope
if redis.call('EXISTS', brake) == 0 then return 0 end
if arg.shown == SHOWN.UNCLEAR then
  redis.call('HSET', brake, 'next', now + 1000)
  return 0
end
redis.call('DEL', brake)
if arg.shown == SHOWN.BAD then return 0 end
redis.call('HDEL', KEYS[1], arg.scope)
for _, batch in ipairs(held_by(arg.scope)) do announce(HAPPENED.BATCH_RELEASED, batch) end
return 1
