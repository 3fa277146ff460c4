-- Has a batch, or a single job, tell an address; what it has come to already is told as well.
-- KEYS[1] `pv:webhooks`; then schema.SetWebhook
-- Returns 1 if it is set, 0 if another one stands there than the caller has read.
if (redis.call('HGET', KEYS[1], arg.on) or '') ~= arg.before then return 0 end
redis.call('HSET', KEYS[1], arg.on, arg.webhook)
redis.call('HDEL', KEY.webhook_states, arg.on)
local id, n = string.match(arg.on, '^(.*)%.(%d+)$')
local batch = batch_key(id or arg.on)
if n then
  local job = load(batch, n)
  if job.state and RESTED[job.state] then announce(RESTED[job.state], batch, n) end
elseif redis.call('HEXISTS', batch, 'settled_at') == 1 then
  announce(HAPPENED.BATCH_SETTLED, batch)
else
  announce_hold(batch, SCOPE.batch .. arg.on)
end
return 1
