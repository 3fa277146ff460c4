-- Puts a webhook with another secret in the place of one; what it is to be told, and how it goes, stays.
-- KEYS[1] `pv:webhooks`; then schema.RotateWebhook
-- Returns 1; 0 if another one stands there than the caller has read: nothing was changed.
if redis.call('HGET', KEYS[1], arg.on) ~= arg.before then return 0 end
redis.call('HSET', KEYS[1], arg.on, arg.webhook)
return 1
