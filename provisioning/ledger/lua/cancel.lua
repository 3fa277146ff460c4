-- Cancels a range of the jobs of a batch: queued and claimed ones at once; those being sent when they are
-- answered, if they would be retried.
-- KEYS[1] the batch; then schema.Cancel
-- Returns how many were cancelled at once; none if it is a step of a bulk act that was made already.
if not may_step(arg) then return 0 end
if arg.hold ~= '' then redis.call('HSETNX', KEY.holds, SCOPE.batch .. batch_id(KEYS[1]), arg.hold) end
local batch, cancelled = KEYS[1], 0
for n = arg.first, arg.last do
  local job = load(batch, n)
  local mine = arg.credential == '' or arg.credential == job.credential
  if mine and (job.state == STATE.QUEUED or job.state == STATE.CLAIMED) then
    move(job, EVENT.CANCELLED, REASON.CANCELLED)
    release(job)
    redis.call('ZREM', batch .. OF.waiting, n)
    append_transition(job, MOVE.CANCELLED, arg.who)
    save(job)
    cancelled = cancelled + 1
  elseif mine and job.state == STATE.SENDING and job.calloff ~= job.token then
    job.calloff = job.token
    append_transition(job, MOVE.CALLED_OFF, arg.who)
    save(job)
  end
end
settle()
record_step(arg, { seen = arg.last - arg.first + 1, changed = cancelled })
return cancelled
