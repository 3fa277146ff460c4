-- Settles jobs in doubt on a person's command: the widget was found, or there is none.
-- KEYS[1] the batch; then schema.Resolve, and schema.Resolution of each
-- Returns how many were in doubt; the others are not changed. None if it is a step of a bulk act that was made
-- already.
if not may_step(arg) then return 0 end

local function resolve(job, found)
  local last = post(job.token, job.attempts)
  if job.posts[last] == BELIEF.OPEN then -- its answer may still come: the belief records what the person found
    job.posts[last] = found.created and BELIEF.FOUND or BELIEF.ABSENT
  end
  if found.created then
    job.result = found.result
    move(job, EVENT.RESOLVED_CREATED, REASON.RESOLVED_CREATED)
    widen(job, 1, 0)
    append_transition(job, MOVE.RESOLVED_CREATED, arg.who)
  else
    move(job, EVENT.RESOLVED_ABSENT, REASON.RESOLVED_ABSENT)
    reset_attempts(job)
    widen(job, 0, -1)
    enqueue(job, 0, false)
    append_transition(job, MOVE.RESOLVED_ABSENT, arg.who)
  end
  save(job)
end

local seen, settled, queued = 0, 0, 0
for found in rows() do
  seen = seen + 1
  local job = load(KEYS[1], found.number)
  if job.state == STATE.IN_DOUBT and (not arg.before or job.at < arg.before) then
    resolve(job, found)
    settled = settled + 1
    if not found.created then queued = queued + 1 end
  end
end
settle()
record_step(arg, { seen = seen, changed = settled, queued = queued })
return settled
