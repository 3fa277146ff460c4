-- Queues dead or cancelled jobs again: fresh attempts, history and bounds kept.
-- KEYS[1] the batch; ARGV[2] who; ARGV[3] why a second widget is accepted, '' if it is not; then the numbers
-- Returns {queued, risky, left}: how many were queued, how many of these may make a second widget, and how many
-- were left because they may. Jobs that are neither dead nor cancelled by now are left alone, and not counted; nor
-- are those whose body is past its retention: they are handed over anew.
local batch, why = KEYS[1], ARGV[3]
local queued, risky, left = 0, 0, 0
for i = 4, #ARGV do
  local n = ARGV[i]
  local job = load(batch, n)
  local ended = job.state == 'dead' or job.state == 'cancelled'
  if ended and redis.call('HEXISTS', batch .. ':bodies', n) == 1 then
    local may_exist = job.most > 0
    if may_exist and why == '' then
      left = left + 1
    else
      redrive(job, ARGV[2], may_exist and why or '')
      save(job)
      queued = queued + 1
      if may_exist then risky = risky + 1 end
    end
  end
end
settle()
return { queued, risky, left }
