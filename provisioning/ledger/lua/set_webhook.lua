-- Sets the webhook of a batch, a single job or an owner. It also gets events that a previous address has not got;
-- that of a batch or job also those that have happened already.
-- KEYS[1] `pv:webhooks`; then schema.SetWebhook
-- Returns 1 if it is set; 0 if the stored one is not the one that the caller has read.
local on = arg.on
if (redis.call('HGET', KEYS[1], on) or '') ~= arg.before then return 0 end
redis.call('HSET', KEYS[1], on, arg.webhook)
redis.call('HDEL', KEY.webhook_states, on, on .. ':dropped')

local function catch_up_all()
  local id, n = string.match(on, '^(.*)%.(%d+)$')
  local batch = batch_key(id or on)

  local put = {}
  for _, line in ipairs(redis.call('LRANGE', KEY.outbox .. on, 0, -1)) do
    put[string.match(line, '^%S+ (%S+)')] = true
  end

  -- No event: nothing has happened now. `at` in ms, when it has.
  local function catch_up(happened, at)
    if not WEBHOOK_EVENTS[happened] or put[happened] then return end
    put[happened] = true
    add_to_outbox(on, string.format('%.0f-0', at), happened)
  end

  local settled_at = redis.call('HGET', batch, 'settled_at')
  if n then
    local job = load(batch, n)
    if job.state and EVENT_OF_END[job.state] then catch_up(EVENT_OF_END[job.state], job.at) end
  elseif settled_at then
    catch_up(HAPPENED.BATCH_SETTLED, tonumber(settled_at))
  else
    for _, scope in ipairs(redis.call('HKEYS', KEY.holds)) do
      local hold = keeps_back(scope, batch) and cjson.decode(redis.call('HGET', KEY.holds, scope))
      if hold and HELD[hold.kind] then catch_up(HELD[hold.kind], hold.at * 1000) end
    end
  end
end

if arg.events == '' then
  catch_up_all()
else
  redis.call('HSET', KEY.webhook_events, on, arg.events)
end
-- The previous webhook may have been waiting for a retry.
if redis.call('EXISTS', KEY.outbox .. on) == 1 then redis.call('ZADD', KEY.webhooks_due, now, on) end
return 1
