-- Calls off the jobs of a stretch of a batch: the queued and claimed ones now, those being sent if their answer
-- leaves anything to be tried again.
-- KEYS[1] the batch; ARGV[2], ARGV[3] first and last number; ARGV[4] who;
-- ARGV[5] credential, or '' for all
-- Returns how many were cancelled now.
local batch, cancelled = KEYS[1], 0
for n = tonumber(ARGV[2]), tonumber(ARGV[3]) do
  local key = job_key(batch, n)
  local job = redis.call('HMGET', key, 'state', 'reason', 'cred', 'token', 'calloff')
  local mine = ARGV[5] == '' or ARGV[5] == job[3]
  if mine and (job[1] == 'queued' or job[1] == 'claimed') then
    move(batch, n, job[1], 'cancelled', job[2], 'cancelled')
    release(batch, n)
    redis.call('ZREM', batch .. ':waiting', n)
    tell(batch, n, cjson.encode({ move = 'cancelled', at = now / 1000, by = ARGV[4] }))
    cancelled = cancelled + 1
  elseif mine and job[1] == 'sending' and job[5] ~= job[4] then
    redis.call('HSET', key, 'calloff', job[4])
    tell(batch, n, cjson.encode({ move = 'called_off', at = now / 1000, by = ARGV[4] }))
  end
end
settle_counts()
return cancelled
