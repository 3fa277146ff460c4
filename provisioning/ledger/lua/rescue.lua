-- Settles expired leases: a job being sent becomes in doubt, a claimed job is queued again.
-- KEYS[1] the batch; then schema.RescueJobs: `on_in_doubt` applies to jobs whose POST may have created a widget,
-- if their batch has no own choice; a job that was cancelled, or has had `attempts`, stays in doubt
-- Returns {jobs, ready}: schema.Lapse of each job; ready 1 if the batch has jobs that could be claimed now.
-- Any number of workers may call this at once; the first one settles an expired lease.
local batch = KEYS[1]
local lapsed = redis.call('ZRANGEBYSCORE', batch .. OF.leases, '-inf', now, 'LIMIT', 0, arg.most)
local jobs = {}

-- The submitter accepts a possible second widget; the upper bound of the job counts it.
local function is_sent_again(job)
  return job.calloff ~= job.token and (redis.call('HGET', batch, 'on_in_doubt') or arg.on_in_doubt) == 'retry'
    and (arg.attempts == 0 or job.attempts < arg.attempts)
end

local function settle_lapse(job)
  local was, worker = job.state, job.worker
  if was == STATE.SENDING then
    append_attempt(job, {
      n = job.attempts, at = job.at / 1000, seconds = (now - job.at) / 1000, outcome = OUTCOME.IN_DOUBT,
      evidence = EVIDENCE.SENT, error = REASON.LEASE_LAPSED, worker = worker, token = job.token,
    })
    job.posts[post(job.token, job.attempts)] = BELIEF.OPEN
  end
  move(job, EVENT.LEASE_LAPSED, REASON.LEASE_LAPSED)
  if job.state == STATE.IN_DOUBT and is_sent_again(job) then move(job, EVENT.RETRY_DUE, REASON.LEASE_LAPSED) end
  if job.state == STATE.QUEUED then enqueue(job, 0, true) end
  give(jobs, job.n, job.state, job.key, job.row, worker)
end

for _, n in ipairs(lapsed) do
  local job = load(batch, n)
  if job.state == STATE.CLAIMED or job.state == STATE.SENDING then settle_lapse(job) end
  release(job)
  if job.state then save(job) end
end
settle()
local ready = redis.call('SCARD', batch .. OF.credentials) > 0
if not ready then
  local due = redis.call('ZRANGE', batch .. OF.waiting, 0, 0, 'WITHSCORES')
  ready = due[2] ~= nil and tonumber(due[2]) <= now
end
return { jobs, ready and 1 or 0 }
