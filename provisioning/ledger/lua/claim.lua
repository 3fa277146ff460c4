-- Claims ready jobs for a worker, each under a lease and a fencing token of its own.
-- KEYS[1] the batch; ARGV[2] worker; ARGV[3] lease in ms; ARGV[4] target; ARGV[5] most jobs to claim
-- ARGV[6] most jobs to claim of one credential; ARGV[7] '' for jobs in their order; for probes a number to draw
-- by, jobs that were never sent, from anywhere, or -1, jobs that were sent once or twice
-- ARGV[8…] 3 a credential for which the most is another number: credential, most jobs, most jobs of an urgent
-- batch
-- Returns {jobs, more, next_due, urgent, on_in_doubt}:
-- jobs flat, 10 a job: number, token, key, credential, row, attempts,
-- most (widgets that may exist for it), traceparent, 1 if a worker has had it before, body;
-- more 1 if ready jobs were left that only want room; next_due ms when a waiting job comes due, 0 if none;
-- urgent 1 if the batch goes before others; on_in_doubt its own choice, '' where the setting decides.
local batch, worker, time, target, want = KEYS[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local room = {}
local urgent = redis.call('HEXISTS', batch, 'urgent')
-- An urgent batch is not kept waiting by a line that is full of others, only by one full of urgent jobs.
for i = 8, #ARGV, 3 do room[ARGV[i]] = tonumber(ARGV[i + 1 + urgent]) end
local usual = tonumber(ARGV[6])

local due = redis.call('ZRANGEBYSCORE', batch .. ':waiting', '-inf', now, 'LIMIT', 0, 1000)
for i = #due, 1, -1 do -- each goes to the front: the first due ends up first
  redis.call('ZREM', batch .. ':waiting', due[i])
  enqueue(load(batch, due[i]), 0, true)
end
-- A job that was cancelled and redriven may stand in its list twice; while it waits, neither entry counts.
local some_wait = redis.call('EXISTS', batch .. ':waiting') == 1

local draw = tonumber(ARGV[7])
if draw then math.randomseed(draw) end

local jobs, claimed, more = {}, {}, 0
local token = tonumber(redis.call('HGET', batch, 'token') or 0)
local taken = {} -- in this call: a number that stands twice in a list was read before it was claimed

-- A job of a list that may be a probe, taken out of it; its place goes to the last. One that was never sent is
-- drawn, then looked for at the end: what was sent and waits again stands at the front, and there a job is looked
-- for that was, and has attempts enough not to die of being asked.
local DRAWN, LOOKED_AT, SPARED = 20, 200, 2
local function may_ask(job)
  if draw >= 0 then return job.attempts == 0 and job.most == 0 end
  return job.attempts > 0 and job.attempts <= SPARED
end
local function probe(ready)
  local length = redis.call('LLEN', ready)
  for i = 1, math.min(length, DRAWN + LOOKED_AT) do
    local at = i - 1
    if draw >= 0 then at = i <= DRAWN and math.random(0, length - 1) or length - (i - DRAWN) end
    local n = redis.call('LINDEX', ready, at)
    local job = n and load(batch, n)
    if job and job.state == 'queued' and may_ask(job) and not taken[n] then
      local last = redis.call('RPOP', ready)
      if at < length - 1 then redis.call('LSET', ready, at, last) end
      return { n }
    end
  end
end

local function claim_of(credential)
  local ready = batch .. ':ready:' .. credential
  local word, tries = held(batch, credential, target)
  if not word then
    local mine = math.min(want, room[credential] or usual, tries and 1 or want)
    while mine > 0 do
      local numbers
      if draw then numbers = probe(ready) else numbers = redis.call('LPOP', ready, mine) end
      if not numbers then break end
      load_all(batch, numbers)
      for _, n in ipairs(numbers) do
        local job = load(batch, n)
        -- A list entry is a hint, the job is the truth.
        local waits = some_wait and redis.call('ZSCORE', batch .. ':waiting', n)
        if job.state == 'queued' and not taken[n] and not waits then
          local had = job.token > 0 and 1 or 0
          taken[n] = true
          token = token + 1
          count(batch, 'token', 1)
          move(job, 'claimed', 'claimed')
          job.token, job.worker = token, worker
          save(job)
          lease(job, now + time)
          local j = #jobs
          jobs[j + 1], jobs[j + 2], jobs[j + 3], jobs[j + 4] = n, token, job.key, credential
          jobs[j + 5], jobs[j + 6], jobs[j + 7], jobs[j + 8] = job.row, job.attempts, job.most, job.trace
          jobs[j + 9], jobs[j + 10] = had, false -- its body comes below
          claimed[#claimed + 1] = n
          mine = mine - 1
          want = want - 1
        end
      end
    end
    if redis.call('EXISTS', ready) == 0 then
      redis.call('SREM', batch .. ':credentials', credential)
    elseif not tries then
      more = 1
    end
  end
end

-- A few credentials drawn by lot: fair without a turn to keep. Then all others, so that none is overlooked.
local seen = {}
for _, credential in ipairs(redis.call('SRANDMEMBER', batch .. ':credentials', 32)) do
  seen[credential] = true
  claim_of(credential)
end
if redis.call('SCARD', batch .. ':credentials') > 0 then
  for _, credential in ipairs(redis.call('SMEMBERS', batch .. ':credentials')) do
    if not seen[credential] then claim_of(credential) end
  end
end
if #claimed > 0 then
  for i, body in ipairs(redis.call('HMGET', batch .. ':bodies', unpack(claimed))) do jobs[10 * i] = body end
end
settle()
redis.call('ZADD', 'pv:active', 'XX', now, batch_id(batch))
local next_due = redis.call('ZRANGE', batch .. ':waiting', 0, 0, 'WITHSCORES')
return { jobs, more, next_due[2] or '0', urgent, redis.call('HGET', batch, 'on_in_doubt') or '' }
