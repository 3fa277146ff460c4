-- Records the result of a probe through a circuit breaker, which a person has allowed.
-- KEYS[1] `pv:holds`; then schema.ProbeResult
-- Returns 1 if the circuit breaker is closed now; 0 if it stays open, there is none, or no probe is expected.
-- After a bad result a person must resume it again; after an unclear one, another probe is sent.
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
