-- Has a webhook told once more what it was told before, under the same id, after what waits already.
-- KEYS[1] `pv:webhooks`; then schema.Redeliver
-- Returns 1, also if it waits already; 0 if there is no such webhook or delivery: nothing was changed.
local on = arg.on
if redis.call('HEXISTS', KEYS[1], on) == 0 then return 0 end
local place, delivery = find_delivery(on, arg.id)
if not place then return 0 end
if delivery.outcome == DELIVERED.WAITING then return 1 end
local line = redis.call('HGET', KEY.delivered .. on, arg.id)
if not line then return 0 end
delivery.outcome = DELIVERED.WAITING
write_delivery(on, place, delivery)
redis.call('RPUSH', KEY.outbox .. on, line)
redis.call('ZADD', KEY.webhooks_due, 'NX', now, on)
return 1
