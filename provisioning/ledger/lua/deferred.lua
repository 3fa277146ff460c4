-- Returns claimed jobs to the queue, not to be started before a time; their attempts are kept.
-- KEYS[1] the batch; then schema.Deferral of each
-- Returns schema.Recorded of each.
local batch = KEYS[1]
local reply = {}
for deferral in rows() do
  local job = load(batch, deferral.number)
  local mine = job.state == STATE.CLAIMED and job.token == deferral.token
  if mine then
    move(job, EVENT.DEFERRED, deferral.reason)
    release(job)
    enqueue(job, now + deferral.delay, true)
    save(job)
  end
  give(reply, mine and HOW.IN_TIME or HOW.LOST, job.state, job.reason or '')
end
settle()
return reply
