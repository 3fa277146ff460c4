-- What came of telling a webhook: it was told, or given up, and the next is due; or it is tried again later.
-- KEYS[1] `pv:webhooks:due`; then schema.ToldWebhook
-- Returns 1; 0 if that is not what is to be told first any more, or somebody else is to be told, or nobody:
-- nothing was changed.
local outbox = KEY.outbox .. arg.on
local first = redis.call('LINDEX', outbox, 0)
if not first or string.match(first, '^%S+') ~= arg.entry then return 0 end
if redis.call('HGET', KEY.webhooks, arg.on) ~= arg.webhook then return 0 end
if arg.done then redis.call('LPOP', outbox) end
redis.call('HSET', KEY.webhook_states, arg.on, arg.state)
if redis.call('EXISTS', outbox) == 1 then
  redis.call('ZADD', KEYS[1], now + arg.delay, arg.on)
else
  redis.call('ZREM', KEYS[1], arg.on)
end
return 1
