-- Releases a hold on a person's command. A pause ends at once. A circuit breaker lets one probe through and ends
-- if that succeeds; that of a batch ends at once: a worker that still cannot decrypt its bodies sends nothing and
-- sets it again. A batch without a hold that is limited to its first few jobs is limited no longer.
-- KEYS[1] `pv:holds`; then schema.Scope
-- Returns schema.Released.
local scope = arg.scope
local hold = redis.call('HGET', KEYS[1], scope)
if not hold then
  local batch = after(SCOPE.batch, scope)
  if not (batch and end_first(batch_key(batch))) then return RELEASED.NOT_HELD end
  announce(HAPPENED.BATCH_RELEASED, batch_key(batch))
  return RELEASED.RELEASED
end
local kind = cjson.decode(hold).kind
if kind == HOLD_KIND.BRAKE and string.sub(scope, 1, #SCOPE.batch) ~= SCOPE.batch then
  redis.call('HSET', KEY.brake .. scope, 'next', now)
  return RELEASED.PROBE
end
redis.call('HDEL', KEYS[1], scope)
for _, batch in ipairs(HELD[kind] and held_by(scope) or {}) do announce(HAPPENED.BATCH_RELEASED, batch) end
redis.call('DEL', KEY.brake .. scope)
return RELEASED.RELEASED
