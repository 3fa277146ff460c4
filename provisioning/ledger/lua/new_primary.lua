-- Records that a client is connected to another Redis than before, or to a restarted one. If it may have lost its
-- last writes (`exposed`), it refuses claims and new jobs for SETTLING_MS, while workers restore theirs. A Redis
-- without a ledger is left unchanged.
-- KEYS[1] `pv:primary`; then schema.NewPrimary
-- Returns 1 if jobs must be restored, 0 if not, -1 if no worker has used this Redis yet.
local known = redis.call('HMGET', KEYS[1], 'run_id', 'exposed')
if not known[1] and arg.before == '' then return -1 end
if known[1] == arg.run_id then return 0 end
redis.call('HSET', KEYS[1], 'run_id', arg.run_id, 'since', now)
local has_lost_all = not known[1] and arg.before ~= ''
if not has_lost_all and (not known[1] or known[2] ~= '1') then return 0 end
redis.call('HSET', KEYS[1], 'settles_at', now + SETTLING_MS, 'exposed', 1)
for _, active in ipairs(redis.call('ZRANGE', KEY.active, 0, -1)) do
  redis.call('HSET', batch_key(active), 'primary_changed_at', now)
end
return 1
