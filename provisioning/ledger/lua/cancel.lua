-- Calls off the jobs of a stretch of a batch: the queued and claimed ones now, those being sent if their answer
-- leaves anything to be tried again.
-- KEYS[1] the batch; ARGV[2], ARGV[3] first and last number; ARGV[4] who;
-- ARGV[5] credential, or '' for all
-- Returns how many were cancelled now.
local batch, cancelled = KEYS[1], 0
for n = tonumber(ARGV[2]), tonumber(ARGV[3]) do
  local job = load(batch, n)
  local mine = ARGV[5] == '' or ARGV[5] == job.cred
  if mine and (job.state == 'queued' or job.state == 'claimed') then
    move(job, 'cancelled', 'cancelled')
    release(job)
    redis.call('ZREM', batch .. ':waiting', n)
    tell_move(job, 'cancelled', ARGV[4])
    save(job)
    cancelled = cancelled + 1
  elseif mine and job.state == 'sending' and job.calloff ~= job.token then
    job.calloff = job.token
    tell_move(job, 'called_off', ARGV[4])
    save(job)
  end
end
settle()
return cancelled
