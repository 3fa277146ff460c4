-- Calls off the jobs of a stretch of a batch: the queued and claimed ones now, those being sent if their answer
-- leaves anything to be tried again.
-- KEYS[1] the batch; then schema.Cancel
-- Returns how many were cancelled now.
local batch, cancelled = KEYS[1], 0
for n = arg.first, arg.last do
  local job = load(batch, n)
  local mine = arg.credential == '' or arg.credential == job.credential
  if mine and (job.state == STATE.QUEUED or job.state == STATE.CLAIMED) then
    move(job, EVENT.CANCELLED, REASON.CANCELLED)
    release(job)
    redis.call('ZREM', batch .. OF.waiting, n)
    tell_move(job, MOVE.CANCELLED, arg.who)
    save(job)
    cancelled = cancelled + 1
  elseif mine and job.state == STATE.SENDING and job.calloff ~= job.token then
    job.calloff = job.token
    tell_move(job, MOVE.CALLED_OFF, arg.who)
    save(job)
  end
end
settle()
return cancelled
