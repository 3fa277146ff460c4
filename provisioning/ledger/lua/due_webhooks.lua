-- Which batches, jobs and owners have something to tell.
-- KEYS[1] `pv:webhooks:due`; then schema.DueWebhooks
-- Returns their ids, or `owner:NAME`, the longest due first.
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, arg.most)
