-- Takes up what a webhook is to be told next, for as long as one try may last: no other server does meanwhile.
-- KEYS[1] `pv:webhooks:due`; then schema.TakeWebhook
-- Returns {webhook, its state or '', what is to be told: `ENTRY EVENT`, of an owner's `ENTRY
-- EVENT@ID`, and, if it was tried before, the body}; or {} if nothing is due.
local due = redis.call('ZSCORE', KEYS[1], arg.on)
if not due or tonumber(due) > now then return {} end
local webhook = redis.call('HGET', KEY.webhooks, arg.on)
local first = redis.call('LINDEX', KEY.outbox .. arg.on, 0)
if not webhook or not first then
  redis.call('ZREM', KEYS[1], arg.on)
  return {}
end
redis.call('ZADD', KEYS[1], now + arg.lease, arg.on)
return { webhook, redis.call('HGET', KEY.webhook_states, arg.on) or '', first }
