-- Renews the leases of jobs that a worker holds.
-- KEYS[1] the batch; then schema.Renewal, and schema.Held of each
-- Returns the numbers of the jobs that are no longer the caller's.
local batch, lost, numbers = KEYS[1], {}, {}
for held_job in rows() do numbers[#numbers + 1] = held_job.number end
load_all(batch, numbers)
for held_job in rows() do
  local job = load(batch, held_job.number)
  if job.token == held_job.token and (job.state == STATE.CLAIMED or job.state == STATE.SENDING) then
    lease(job, now + arg.lease)
  else
    lost[#lost + 1] = held_job.number
  end
end
settle()
return lost
