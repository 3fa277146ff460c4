-- Removes the webhook of a batch, job or owner.
-- KEYS[1] `pv:webhooks`; then schema.RemoveWebhook
-- Returns 1; 0 if there is no webhook, or another one: nothing was changed.
local kept = redis.call('HGET', KEYS[1], arg.on)
if not kept or arg.webhook ~= '' and arg.webhook ~= kept then return 0 end
drop_webhook(arg.on)
return 1
