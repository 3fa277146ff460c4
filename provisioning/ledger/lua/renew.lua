-- Renews the leases of jobs that a worker holds.
-- KEYS[1] the batch; ARGV[2] lease in ms; then 2 a job: number, token
-- Returns the numbers of the jobs that are no longer the caller's.
local batch, time = KEYS[1], tonumber(ARGV[2])
local lost, numbers = {}, {}
for i = 3, #ARGV, 2 do numbers[#numbers + 1] = ARGV[i] end
load_all(batch, numbers)
for i = 3, #ARGV, 2 do
  local n, token = ARGV[i], ARGV[i + 1]
  local job = load(batch, n)
  if job.token == tonumber(token) and (job.state == 'claimed' or job.state == 'sending') then
    lease(job, now + time)
  else
    lost[#lost + 1] = n
  end
end
settle()
return lost
