-- A person settles a doubt: the widget was found, or it was not.
-- KEYS[1] the batch; then schema.Resolve
-- Returns 1 if it was in doubt and is settled now, 0 if it was not in doubt.
local job = load(KEYS[1], arg.number)
if job.state ~= STATE.IN_DOUBT then return 0 end
local last = post(job.token, job.attempts)
if job.posts[last] == BELIEF.OPEN then -- its answer may still come: it is to know what was said
  job.posts[last] = arg.created and BELIEF.FOUND or BELIEF.ABSENT
end
if arg.created then
  job.result = arg.result
  move(job, EVENT.RESOLVED_CREATED, REASON.RESOLVED_CREATED)
  widen(job, 1, 0)
  tell_move(job, MOVE.RESOLVED_CREATED, arg.who)
else
  move(job, EVENT.RESOLVED_ABSENT, REASON.RESOLVED_ABSENT)
  begin_anew(job)
  widen(job, 0, -1)
  enqueue(job, 0, false)
  tell_move(job, MOVE.RESOLVED_ABSENT, arg.who)
end
save(job)
settle()
return 1
