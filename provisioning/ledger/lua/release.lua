-- A person lets a scope go on. A pause ends at once; a brake sends one probe and comes off if that succeeds.
-- That on a batch ends at once as well: whoever still cannot open its bodies sends nothing, and puts it on again.
-- KEYS[1] `pv:holds`; then schema.Scope
-- Returns schema.Released.
local scope = arg.scope
local hold = redis.call('HGET', KEYS[1], scope)
if not hold then return RELEASED.NOT_HELD end
local kind = cjson.decode(hold).kind
if kind == HOLD_KIND.BRAKE and string.sub(scope, 1, #SCOPE.batch) ~= SCOPE.batch then
  redis.call('HSET', KEY.brake .. scope, 'next', now)
  return RELEASED.PROBE
end
redis.call('HDEL', KEYS[1], scope)
for _, batch in ipairs(HELD[kind] and held_by(scope) or {}) do announce(HAPPENED.BATCH_RELEASED, batch) end
redis.call('DEL', KEY.brake .. scope)
return RELEASED.RELEASED
