-- Cancels a bulk act: no further step is made, and a server ends it.
-- KEYS[1] `pv:bulk:ID`
-- Returns 1; 0 if it is not running.
if redis.call('HGET', KEYS[1], 'state') ~= BULK.RUNNING then return 0 end
redis.call('HSET', KEYS[1], 'state', BULK.STOPPING)
return 1
