-- Queues dead or cancelled jobs again, with new attempts; history and bounds are kept.
-- KEYS[1] the batch; then schema.Redrive, and schema.Number of each
-- Returns {queued, risky, left}: how many were queued; how many of these may create a second widget; how many were
-- not queued because they may. Jobs that are not dead or cancelled any more are not counted, nor are those whose
-- body was deleted after its retention: they must be submitted again. Nothing is done if it is a step of a bulk
-- act that was made already.
if not may_step(arg) then return { 0, 0, 0 } end
local batch, why = KEYS[1], arg.because
local seen, queued, risky, left = 0, 0, 0, 0
for each in rows() do
  seen = seen + 1
  local n = each.number
  local job = load(batch, n)
  local meant = not arg.before or job.at < arg.before
  local ended = meant and (job.state == STATE.DEAD or job.state == STATE.CANCELLED)
  if ended and redis.call('HEXISTS', batch .. OF.bodies, n) == 1 then
    local may_exist = job.most > 0
    if may_exist and why == '' then
      left = left + 1
    else
      redrive(job, arg.who, may_exist and why or '')
      save(job)
      queued = queued + 1
      if may_exist then risky = risky + 1 end
    end
  end
end
settle()
record_step(arg, { seen = seen, changed = queued, risky = risky, left = left })
return { queued, risky, left }
