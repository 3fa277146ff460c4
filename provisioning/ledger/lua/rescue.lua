-- Settles lapsed leases: what was being sent is in doubt, what was only claimed is queued again.
-- KEYS[1] the batch; ARGV[2] most jobs to settle in this call; ARGV[3] `hold` or `retry`: what to do with
-- a job whose POST may have succeeded, unless its batch says otherwise; one that was called off is held
-- Returns {numbers queued, numbers in doubt, ready, whose}: ready 1 if the batch has jobs that could be claimed
-- now; whose has 4 of each settled job: number, key, row or '', the worker that fell silent.
-- Any number of workers may call this at once; each lapsed lease is settled by the first.
local batch = KEYS[1]
local lapsed = redis.call('ZRANGEBYSCORE', batch .. ':leases', '-inf', now, 'LIMIT', 0, tonumber(ARGV[2]))
local queued, doubted, whose = {}, {}, {}
for _, n in ipairs(lapsed) do
  local job = redis.call('HMGET', job_key(batch, n), 'state', 'reason', 'cred', 'attempts', 'worker', 'at',
    'token', 'calloff', 'key', 'row')
  if job[1] == 'claimed' or job[1] == 'sending' then
    for _, fact in ipairs({ n, job[9] or '', job[10] or '', job[5] or '' }) do whose[#whose + 1] = fact end
  end
  if job[1] == 'claimed' then
    move(batch, n, 'claimed', 'queued', job[2], 'lease_lapsed')
    enqueue(batch, n, job[3], 0, true)
    queued[#queued + 1] = n
  elseif job[1] == 'sending' then
    tell(batch, n, cjson.encode({
      n = tonumber(job[4]), at = tonumber(job[6]) / 1000, seconds = (now - tonumber(job[6])) / 1000,
      outcome = 'in_doubt', evidence = 'sent', error = 'lease_lapsed', worker = job[5] or '',
      token = tonumber(job[7]),
    }))
    redis.call('HSET', job_key(batch, n), post(job[7], job[4]), 'open')
    if job[8] ~= job[7] and (redis.call('HGET', batch, 'on_in_doubt') or ARGV[3]) == 'retry'
      and (ARGV[4] == '0' or tonumber(job[4]) < tonumber(ARGV[4])) then
      -- The submitter chose a possible second widget over a wait; the bound keeps what it may have cost.
      move(batch, n, 'sending', 'queued', job[2], 'lease_lapsed')
      enqueue(batch, n, job[3], 0, true)
      queued[#queued + 1] = n
    else
      move(batch, n, 'sending', 'in_doubt', job[2], 'lease_lapsed')
      doubted[#doubted + 1] = n
    end
  end
  release(batch, n)
end
settle_counts()
local ready = redis.call('SCARD', batch .. ':credentials') > 0
if not ready then
  local due = redis.call('ZRANGE', batch .. ':waiting', 0, 0, 'WITHSCORES')
  ready = due[2] ~= nil and tonumber(due[2]) <= now
end
return { queued, doubted, ready and 1 or 0, whose }
