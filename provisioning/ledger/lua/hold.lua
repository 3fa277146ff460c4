-- Sets a hold: no further POST of its scope starts, on any worker, until a person releases it.
-- KEYS[1] `pv:holds`; then schema.PutHold
-- Returns 1 if it was set; 0 if the scope had a hold, which is kept. But that of a cancel, which ends with the
-- cancel, gives way to any other.
local known = redis.call('HGET', KEYS[1], arg.scope)
local gives_way = known and cjson.decode(known).kind == HOLD_KIND.CANCELLING and arg.kind ~= HOLD_KIND.CANCELLING
if known and not gives_way then return 0 end
redis.call('HSET', KEYS[1], arg.scope, arg.hold)
redis.call('DEL', KEY.brake .. arg.scope)
local happened = HELD[arg.kind]
for _, batch in ipairs(happened and held_by(arg.scope) or {}) do announce(happened, batch) end
return 1
