-- Renews the leases of jobs that a worker holds.
-- KEYS[1] the batch; ARGV[2] lease in ms; then 2 a job: number, token
-- Returns the numbers of the jobs that are no longer the caller's.
local batch, lease = KEYS[1], tonumber(ARGV[2])
local lost = {}
for i = 3, #ARGV, 2 do
  local n, token = ARGV[i], ARGV[i + 1]
  local job = redis.call('HMGET', job_key(batch, n), 'state', 'token')
  if job[2] == token and (job[1] == 'claimed' or job[1] == 'sending') then
    redis.call('ZADD', batch .. ':leases', now + lease, n)
  else
    lost[#lost + 1] = n
  end
end
return lost
