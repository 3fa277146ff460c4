-- Keeps the body of what a webhook is told, before it is sent: whoever tries it again sends the same.
-- KEYS[1] `pv:webhooks`; then schema.WriteWebhook
-- Returns 1; 0 if that is not what is to be told first any more, or was written by another server meanwhile, or
-- somebody else is to be told, or nobody: nothing was changed.
local outbox = KEY.outbox .. arg.on
local first = redis.call('LINDEX', outbox, 0)
if not first or string.match(first, '^(%S+) %S+$') ~= arg.entry then return 0 end
if redis.call('HGET', KEYS[1], arg.on) ~= arg.webhook then return 0 end
redis.call('LSET', outbox, 0, first .. ' ' .. arg.body)
return 1
