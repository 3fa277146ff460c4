-- Stores the body of an event before it is sent, so that every delivery sends the same.
-- KEYS[1] `pv:webhooks`; then schema.WriteWebhook
-- Returns 1; 0 if the event is not the first pending one any more, another server has stored its body meanwhile,
-- or the webhook was replaced or removed: nothing was changed.
local outbox = KEY.outbox .. arg.on
local first = redis.call('LINDEX', outbox, 0)
if not first or string.match(first, '^(%S+) %S+$') ~= arg.entry then return 0 end
if redis.call('HGET', KEYS[1], arg.on) ~= arg.webhook then return 0 end
redis.call('LSET', outbox, 0, first .. ' ' .. arg.body)
return 1
