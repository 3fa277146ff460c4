-- A person settles a doubt: the widget was found, or it was not.
-- KEYS[1] the batch; ARGV[2] number; ARGV[3] `created` or `absent`; ARGV[4] who; ARGV[5] result as JSON or ''
-- Returns 1 if it was in doubt and is settled now, 0 if it was not in doubt.
local batch, n, verdict = KEYS[1], ARGV[2], ARGV[3]
local job = load(batch, n)
if job.state ~= 'in_doubt' then return 0 end
local last = post(job.token, job.attempts)
if job.posts[last] == 'open' then -- its answer may still come: it is to know what was said
  job.posts[last] = verdict == 'created' and 'found' or 'absent'
end
if verdict == 'created' then
  job.result = ARGV[5]
  move(job, 'succeeded', 'resolved_created')
  widen(job, 1, 0)
else
  move(job, 'queued', 'resolved_absent')
  job.attempts = 0
  widen(job, 0, -1)
  enqueue(job, 0, false)
end
tell_move(job, 'resolved_' .. verdict, ARGV[4])
save(job)
settle()
return 1
