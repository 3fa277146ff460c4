-- A person settles a doubt: the widget was found, or it was not.
-- KEYS[1] the batch; ARGV[2] number; ARGV[3] `created` or `absent`; ARGV[4] who; ARGV[5] result as JSON or ''
-- Returns 1 if it was in doubt and is settled now, 0 if it was not in doubt.
local batch, n, verdict = KEYS[1], ARGV[2], ARGV[3]
local key = job_key(batch, n)
local job = redis.call('HMGET', key, 'state', 'reason', 'cred', 'token', 'attempts')
if job[1] ~= 'in_doubt' then return 0 end
local last = post(job[4], job[5])
if redis.call('HGET', key, last) == 'open' then -- its answer may still come: it is to know what was said
  redis.call('HSET', key, last, verdict == 'created' and 'found' or 'absent')
end
if verdict == 'created' then
  if ARGV[5] ~= '' then redis.call('HSET', batch .. ':results', n, ARGV[5]) end
  move(batch, n, 'in_doubt', 'succeeded', job[2], 'resolved_created')
  widen(batch, n, 1, 0)
else
  move(batch, n, 'in_doubt', 'queued', job[2], 'resolved_absent')
  redis.call('HSET', key, 'attempts', 0)
  widen(batch, n, 0, -1)
  enqueue(batch, n, job[3], 0, false)
end
tell(batch, n, cjson.encode({ move = 'resolved_' .. verdict, at = now / 1000, by = ARGV[4] }))
settle_counts()
return 1
