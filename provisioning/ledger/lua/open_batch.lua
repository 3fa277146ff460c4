-- Opens a batch of an owner under a name, or finds the one that has the name. It is limited to its first few new
-- jobs before it has them, if that is asked for.
-- KEYS[1] key of the batch to create; then schema.OpenBatch, and schema.BatchField of each further field
-- Returns {id of the batch that has the name, 1 if this call, or the same call before, created it}. A batch of an
-- earlier period gives up its name and is called NAME-PERIOD; the new batch takes over its choices, its webhook
-- included. A batch with a hold keeps the name: a pause does not end on its own.
local name, period, owner = arg.name, arg.period, arg.owner
local known = redis.call('HGET', KEY.names, owned_name(owner, name))
local id = batch_id(KEYS[1])
if known == id then return { id, 1 } end

local function goes_on(found)
  if period == '' then return true end
  local before = redis.call('HGET', found, 'period')
  return before and before >= period or redis.call('HEXISTS', KEY.holds, SCOPE.batch .. known) == 1
end

local function retire(found)
  local before = redis.call('HGET', found, 'period') or 'before-' .. period
  local called = name .. '-' .. before
  local free = redis.call('HSETNX', KEY.names, owned_name(owner, called), known) == 1
  if free then redis.call('HSET', found, 'name', called) end
  redis.call('HSET', KEYS[1], 'follows', known)
  local choice = redis.call('HGET', found, 'on_in_doubt')
  if choice then redis.call('HSET', KEYS[1], 'on_in_doubt', choice) end
  local webhook = redis.call('HGET', KEY.webhooks, known)
  if webhook then redis.call('HSET', KEY.webhooks, id, webhook) end
end

if known then
  local found = batch_key(known)
  if goes_on(found) then
    -- Its creator may still remove it while it is empty: this prevents it, because jobs will be added.
    if redis.call('HGET', found, 'accepted') == '0' then redis.call('HSET', found, 'found', 1) end
    if arg.first then set_first(found, arg.first) end
    return { known, 0 }
  end
  retire(found)
end
redis.call('SET', KEY.format, FORMAT, 'NX')
redis.call('HSET', KEY.names, owned_name(owner, name), id)
redis.call('ZADD', KEY.batches, now, id)
redis.call('HSET', KEYS[1], 'name', name, 'opened_at', now, 'accepted', 0)
for field in rows() do redis.call('HSET', KEYS[1], field.name, field.value) end
if period ~= '' then redis.call('HSET', KEYS[1], 'period', period) end
if owner ~= '' then redis.call('HSET', KEYS[1], 'owner', owner) end
if arg.first then set_first(KEYS[1], arg.first) end
return { id, 1 }
