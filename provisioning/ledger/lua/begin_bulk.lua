-- Begins a bulk act that was a draft: the person has confirmed it.
-- KEYS[1] `pv:bulk:ID`; then schema.BeginBulk
-- Returns 1; 0 if it is no draft any more.
if redis.call('HGET', KEYS[1], 'state') ~= BULK.DRAFT then return 0 end
redis.call('HSET', KEYS[1], 'state', BULK.RUNNING)
redis.call('PERSIST', KEYS[1])
redis.call('PERSIST', KEY.bulk_found .. arg.bulk)
redis.call('SADD', KEY.bulk_open, arg.bulk)
redis.call('ZADD', KEY.bulk_acts, 'NX', now, arg.bulk)
return 1
