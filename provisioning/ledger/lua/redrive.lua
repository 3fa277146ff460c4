-- Queues dead or cancelled jobs again: fresh attempts, history and bounds kept.
-- KEYS[1] the batch; ARGV[2] who; then the numbers of the jobs
-- Returns how many were queued; jobs that are neither dead nor cancelled by now are left alone.
local batch, redriven = KEYS[1], 0
for i = 3, #ARGV do
  local n = ARGV[i]
  local job = redis.call('HMGET', job_key(batch, n), 'state', 'reason', 'cred')
  if job[1] == 'dead' or job[1] == 'cancelled' then
    redis.call('HSET', job_key(batch, n), 'attempts', 0)
    redis.call('HINCRBY', job_key(batch, n), 'drives', 1)
    move(batch, n, job[1], 'queued', job[2], 'redriven')
    enqueue(batch, n, job[3], 0, false)
    tell(batch, n, cjson.encode({ move = 'redriven', at = now / 1000, by = ARGV[2], was = job[2] }))
    redriven = redriven + 1
  end
end
settle_counts()
return redriven
