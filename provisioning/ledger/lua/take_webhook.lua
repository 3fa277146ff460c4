-- Reserves the first pending event of a webhook for one delivery; no other server delivers it during the lease.
-- KEYS[1] `pv:webhooks:due`; then schema.TakeWebhook
-- Returns {webhook, its state or '', the event: `ENTRY EVENT`, of an owner's webhook `ENTRY EVENT@ID`, and the
-- body if it was sent before}; {} if nothing is due.
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
