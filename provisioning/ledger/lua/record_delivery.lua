-- Records the result of a delivery: the event is delivered or given up, and the next one is due; or it is retried.
-- The delivery is listed, with what was sent.
-- KEYS[1] `pv:webhooks:due`; then schema.RecordDelivery
-- Returns 1; 0 if the event is not the first pending one any more, or the webhook was replaced or removed: nothing
-- was changed.
local on = arg.on
local outbox, list, sent = KEY.outbox .. on, KEY.deliveries .. on, KEY.delivered .. on
local first = redis.call('LINDEX', outbox, 0)
if not first or string.match(first, '^%S+') ~= arg.entry then return 0 end
if redis.call('HGET', KEY.webhooks, on) ~= arg.webhook then return 0 end
if arg.done then redis.call('LPOP', outbox) end
redis.call('HSET', KEY.webhook_states, on, arg.state)
if redis.call('EXISTS', outbox) == 1 then
  redis.call('ZADD', KEYS[1], now + arg.delay, on)
else
  redis.call('ZREM', KEYS[1], on)
end

local delivery = cjson.decode(arg.delivery)
local place, before = find_delivery(on, delivery.id)
delivery.at, delivery.last_at = before and before.at or now / 1000, now / 1000
delivery.attempts = (before and before.attempts or 0) + 1
if place then
  write_delivery(on, place, delivery)
else
  redis.call('LPUSH', list, cjson.encode(delivery))
  redis.call('HSET', sent, delivery.id, first)
end

-- The oldest go, by number and by time.
local function is_past(line)
  return redis.call('LLEN', list) > DELIVERIES_KEPT or cjson.decode(line).last_at * 1000 < now - DELIVERIES_KEPT_MS
end
local last = redis.call('LINDEX', list, -1)
while is_past(last) do
  redis.call('RPOP', list)
  redis.call('HDEL', sent, cjson.decode(last).id)
  last = redis.call('LINDEX', list, -1)
end
redis.call('PEXPIRE', list, DELIVERIES_KEPT_MS)
redis.call('PEXPIRE', sent, DELIVERIES_KEPT_MS)
return 1
