-- A Redis that somebody meets, restarted or another than before. Where it may have lost its last writes
-- (`exposed`), it gives no job out and takes none in for a while: workers tell it first what they were sending.
-- One that no worker has looked at yet is left as it is: it may be no ledger at all.
-- KEYS[1] the primary; then schema.Meet
-- Returns 1 if it has to be told, 0 if not, -1 if no worker has looked at it yet.
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
