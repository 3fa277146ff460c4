-- Records the result of a delivery: the event is delivered or given up, and the next one is due; or it is retried.
-- KEYS[1] `pv:webhooks:due`; then schema.RecordDelivery
-- Returns 1; 0 if the event is not the first pending one any more, or the webhook was replaced or removed: nothing
-- was changed.
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
