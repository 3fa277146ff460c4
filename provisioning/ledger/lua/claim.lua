-- Claims ready jobs for a worker, each under a lease and its own fencing token.
-- KEYS[1] the batch; then schema.ClaimJobs, and schema.Room of each credential whose room is not the usual one
-- Returns {jobs, more, next_due, urgent, on_in_doubt}: schema.Claimed of each job; more 1 if ready jobs are left
-- for which there was no room; next_due ms when a waiting job comes due, 0 if none; urgent 1 if the batch is
-- served before others; on_in_doubt its own choice, '' if the setting decides.
local batch, want = KEYS[1], arg.most
local refusal = unsettled_primary()
if refusal then return refusal end
local room = {}
local own = redis.call('HMGET', batch, 'urgent', 'first', 'token', 'on_in_doubt', 'owner')
local urgent, first = own[1] and 1 or 0, tonumber(own[2] or '')
-- For an urgent batch, waiting jobs of other batches do not count.
for each in rows() do room[each.credential] = urgent == 1 and each.most_urgent or each.most end

local due = redis.call('ZRANGEBYSCORE', batch .. OF.waiting, '-inf', now, 'LIMIT', 0, 1000)
for i = #due, 1, -1 do -- each goes to the front, so the first due is first
  redis.call('ZREM', batch .. OF.waiting, due[i])
  enqueue(load(batch, due[i]), 0, true)
end
-- A job that was cancelled and redriven may be in its list twice; while it is in `waiting`, both are ignored.
local some_wait = redis.call('EXISTS', batch .. OF.waiting) == 1

local draw = arg.draw
if draw then math.randomseed(draw) end

local claimed, numbers_claimed, more = {}, {}, 0
-- After a failover the new primary may have lost the last claims, and a plain counter would give out their tokens
-- again. So a token is never below the time, in hundredths of a ms.
local token = math.max(tonumber(own[3] or 0), (now - TOKENS_SINCE) * 100)
local taken = {} -- in this call: a list may contain a number twice

-- Whether a job may be claimed: the batch is not limited to its first few jobs, or it is one of them.
local function is_due(n) return not first or tonumber(n) <= first end

-- Whether a ready list has a job that may be claimed; the first few are before all others.
local function has_due(ready)
  local n = redis.call('LINDEX', ready, 0)
  return n and is_due(n)
end

-- Removes up to `most` jobs that may be claimed from a ready list; nil if it has none.
local function pop(ready, most)
  if not first then return redis.call('LPOP', ready, most) end
  local due = 0
  for _, n in ipairs(redis.call('LRANGE', ready, 0, most - 1)) do
    if not is_due(n) then break end
    due = due + 1
  end
  return due > 0 and redis.call('LPOP', ready, due)
end

-- Removes a job that may be a probe from a ready list; the last entry takes its position. A job that was never
-- sent is looked for at random, then from the end, because jobs that were sent before are at the front. A job that
-- was sent is looked for from the front; it must have attempts left, so that the probe does not make it dead. If
-- the batch is limited to its first few jobs, all are looked for from the front, and the order is kept.
local DRAWN, LOOKED_AT, SPARED = 20, 200, 2
local function may_ask(job)
  if draw >= 0 then return job.attempts == 0 and job.most == 0 end
  return job.attempts > 0 and job.attempts <= SPARED
end
local function probe(ready)
  local length = redis.call('LLEN', ready)
  for i = 1, math.min(length, DRAWN + LOOKED_AT) do
    local at = i - 1
    if draw >= 0 and not first then at = i <= DRAWN and math.random(0, length - 1) or length - (i - DRAWN) end
    local n = redis.call('LINDEX', ready, at)
    local job = n and load(batch, n)
    if n and not is_due(n) then break end
    if job and job.state == STATE.QUEUED and may_ask(job) and not taken[n] then
      if first then
        redis.call('LREM', ready, 1, n)
        return { n }
      end
      local last = redis.call('RPOP', ready)
      if at < length - 1 then redis.call('LSET', ready, at, last) end
      return { n }
    end
  end
end

local function claim_of(credential)
  local ready = batch .. OF.ready .. credential
  local word, tries = held(batch, credential, arg.target)
  if not word then
    local mine = math.min(want, room[credential] or arg.usual_room, tries and 1 or want)
    while mine > 0 do
      local numbers
      if draw then numbers = probe(ready) else numbers = pop(ready, mine) end
      if not numbers then break end
      load_all(batch, numbers)
      for _, n in ipairs(numbers) do
        local job = load(batch, n)
        -- A list entry is a hint; the state of the job decides.
        local waits = some_wait and redis.call('ZSCORE', batch .. OF.waiting, n)
        if job.state == STATE.QUEUED and not taken[n] and not waits then
          taken[n] = true
          token = token + 1
          move(job, EVENT.CLAIMED, REASON.CLAIMED)
          job.again = job.token > 0
          job.token, job.worker = token, arg.worker
          save(job)
          lease(job, now + arg.lease)
          claimed[#claimed + 1], numbers_claimed[#claimed + 1] = job, n
          mine = mine - 1
          want = want - 1
        end
      end
    end
    if redis.call('EXISTS', ready) == 0 then
      redis.call('SREM', batch .. OF.credentials, credential)
    elseif not tries and (not first or has_due(ready)) then
      more = 1
    end
  end
end

-- A few random credentials, which is fair without stored state; then all others, so that none is left out.
local seen = {}
for _, credential in ipairs(redis.call('SRANDMEMBER', batch .. OF.credentials, 32)) do
  seen[credential] = true
  claim_of(credential)
end
if redis.call('SCARD', batch .. OF.credentials) > 0 then
  for _, credential in ipairs(redis.call('SMEMBERS', batch .. OF.credentials)) do
    if not seen[credential] then claim_of(credential) end
  end
end
local jobs = {}
if #claimed > 0 then
  for i, body in ipairs(redis.call('HMGET', batch .. OF.bodies, unpack(numbers_claimed))) do
    local job = claimed[i]
    give(
      jobs, job.n, job.token, job.key, job.credential, job.row, job.attempts, body, job.most, job.trace, job.again
    )
  end
end
if #claimed > 0 then redis.call('HSET', batch, 'token', string.format('%.0f', token)) end
settle()

-- Pauses a batch whose first few jobs have all ended, if it has others. The pause comes after everything else: it
-- would return jobs to the queue that are claimed.
local function pause_after_first()
  local left = redis.call('HMGET', batch, STATE.QUEUED, STATE.CLAIMED, STATE.SENDING, 'first_hold')
  if tonumber(left[1] or 0) == 0 or tonumber(left[2] or 0) + tonumber(left[3] or 0) > 0 then return end
  if redis.call('EXISTS', batch .. OF.waiting) == 1 then return end
  for _, credential in ipairs(redis.call('SMEMBERS', batch .. OF.credentials)) do
    if has_due(batch .. OF.ready .. credential) then return end
  end
  local hold = cjson.decode(left[4])
  hold.scope, hold.at = SCOPE.batch .. batch_id(batch), now / 1000
  if redis.call('HSETNX', KEY.holds, hold.scope, cjson.encode(hold)) == 0 then return end -- when that is released
  end_first(batch)
  announce(HAPPENED.BATCH_PAUSED, batch)
end
if first and #claimed == 0 then pause_after_first() end
redis.call('ZADD', KEY.active, 'XX', now, batch_id(batch))
local next_due = redis.call('ZRANGE', batch .. OF.waiting, 0, 0, 'WITHSCORES')
return { jobs, more, next_due[2] or '0', urgent, own[4] or '', own[5] or '' }
