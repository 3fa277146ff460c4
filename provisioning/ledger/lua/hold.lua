-- Sets a hold: no further POST of its scope starts, on any worker, until a person releases it.
-- KEYS[1] `pv:holds`; then schema.PutHold
-- Returns 1 if it was set; 0 if the scope had a hold, which is kept.
if redis.call('HSETNX', KEYS[1], arg.scope, arg.hold) == 0 then return 0 end
redis.call('DEL', KEY.brake .. arg.scope)
local happened = HELD[arg.kind]
for _, batch in ipairs(happened and held_by(arg.scope) or {}) do announce(happened, batch) end
return 1
