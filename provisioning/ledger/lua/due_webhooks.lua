-- Lists the batches, jobs and owners whose webhooks have events to deliver now.
-- KEYS[1] `pv:webhooks:due`; then schema.DueWebhooks
-- Returns their ids, or `owner:NAME`, the longest due first.
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, arg.most)
