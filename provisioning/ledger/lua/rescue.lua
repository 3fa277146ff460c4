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
  local job = load(batch, n)
  if job.state == 'claimed' or job.state == 'sending' then
    for _, fact in ipairs({ n, job.key, job.row, job.worker }) do whose[#whose + 1] = fact end
  end
  if job.state == 'claimed' then
    move(job, 'queued', 'lease_lapsed')
    enqueue(job, 0, true)
    queued[#queued + 1] = n
  elseif job.state == 'sending' then
    tell_attempt(job, {
      n = job.attempts, at = job.at / 1000, seconds = (now - job.at) / 1000, outcome = 'in_doubt',
      evidence = 'sent', error = 'lease_lapsed', worker = job.worker, token = job.token,
    })
    job.posts[post(job.token, job.attempts)] = 'open'
    if job.calloff ~= job.token and (redis.call('HGET', batch, 'on_in_doubt') or ARGV[3]) == 'retry'
      and (ARGV[4] == '0' or job.attempts < tonumber(ARGV[4])) then
      -- The submitter chose a possible second widget over a wait; the bound keeps what it may have cost.
      move(job, 'queued', 'lease_lapsed')
      enqueue(job, 0, true)
      queued[#queued + 1] = n
    else
      move(job, 'in_doubt', 'lease_lapsed')
      doubted[#doubted + 1] = n
    end
  end
  release(job)
  if job.state then save(job) end
end
settle()
local ready = redis.call('SCARD', batch .. ':credentials') > 0
if not ready then
  local due = redis.call('ZRANGE', batch .. ':waiting', 0, 0, 'WITHSCORES')
  ready = due[2] ~= nil and tonumber(due[2]) <= now
end
return { queued, doubted, ready and 1 or 0, whose }
