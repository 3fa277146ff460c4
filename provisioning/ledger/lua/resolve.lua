-- Settles a job in doubt on a person's command: the widget was found, or there is none.
-- KEYS[1] the batch; then schema.Resolve
-- Returns 1 if the job was in doubt; 0 if not, then nothing was changed.
local job = load(KEYS[1], arg.number)
if job.state ~= STATE.IN_DOUBT then return 0 end
local last = post(job.token, job.attempts)
if job.posts[last] == BELIEF.OPEN then -- its answer may still come: the belief records what the person found
  job.posts[last] = arg.created and BELIEF.FOUND or BELIEF.ABSENT
end
if arg.created then
  job.result = arg.result
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
settle()
return 1
