-- Calls off the queued and claimed jobs of a stretch of a batch. What is being sent is left to its answer.
-- KEYS[1] the batch; ARGV[2], ARGV[3] first and last number; ARGV[4] who;
-- ARGV[5] credential, or '' for all
-- Returns how many were cancelled.
local batch, cancelled = KEYS[1], 0
for n = tonumber(ARGV[2]), tonumber(ARGV[3]) do
  local job = redis.call('HMGET', job_key(batch, n), 'state', 'reason', 'cred')
  if (job[1] == 'queued' or job[1] == 'claimed') and (ARGV[5] == '' or ARGV[5] == job[3]) then
    move(batch, n, job[1], 'cancelled', job[2], 'cancelled')
    release(batch, n)
    redis.call('ZREM', batch .. ':waiting', n)
    tell(batch, n, cjson.encode({ move = 'cancelled', at = now / 1000, by = ARGV[4] }))
    cancelled = cancelled + 1
  end
end
settle_counts()
return cancelled
