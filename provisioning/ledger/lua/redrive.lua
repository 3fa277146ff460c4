-- Queues dead or cancelled jobs again: fresh attempts, history and bounds kept.
-- KEYS[1] the batch; ARGV[2] who; ARGV[3] why a second widget is accepted, '' if it is not; then the numbers
-- Returns {queued, risky, left}: how many were queued, how many of these may make a second widget, and how many
-- were left because they may. Jobs that are neither dead nor cancelled by now are left alone, and not counted; nor
-- are those whose body is past its retention: they are handed over anew.
local batch, why = KEYS[1], ARGV[3]
local queued, risky, left = 0, 0, 0
for i = 4, #ARGV do
  local n = ARGV[i]
  local job = redis.call('HMGET', job_key(batch, n), 'state', 'reason', 'cred', 'most')
  local ended = job[1] == 'dead' or job[1] == 'cancelled'
  if ended and redis.call('HEXISTS', batch .. ':bodies', n) == 1 then
    local may_exist = tonumber(job[4] or 0) > 0
    if may_exist and why == '' then
      left = left + 1
    else
      redrive(batch, n, job[1], job[2], job[3], ARGV[2], may_exist and why or '')
      queued = queued + 1
      if may_exist then risky = risky + 1 end
    end
  end
end
settle_counts()
return { queued, risky, left }
