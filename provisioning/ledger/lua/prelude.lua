-- Stands before every script of this folder. Each call is
--   KEYS[1]  the batch's key, `pv:{B}` (see provisioning/keys.py for all that hangs below it)
--   ARGV[1]  now in ms, or '' for the server's own clock (tests give a time)
--   ARGV[2…] as the script's head says; lists of jobs are flat, so many fields a job
-- A job's hash holds: key cred row label fp trace · state reason token attempts least most at worker drives
--   calloff  token under which the job was being sent when a person called it off
--   post:T:N what is believed of attempt N under token T, which left `sending` without an answer:
--            `open` it may have made a widget; `found`, `absent` a person's word on it; `answered` it has
--            come and is booked (docs/decisions/0003-late-answers.md)

local function clock()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end
local now = clock()

local function job_key(batch, n) return batch .. ':j:' .. n end
local function batch_id(batch) return string.sub(batch, 5, -2) end -- pv:{B} → B

-- Counts are summed over the call and written once by settle_counts().
local tally = {}
local function count(batch, field, by)
  local fields = tally[batch]
  if not fields then fields = {}; tally[batch] = fields end
  fields[field] = (fields[field] or 0) + by
end

-- What the batch came to, minute by minute: arrivals in these states, and POSTs begun.
local CHARTED = { attempts = true, succeeded = true, dead = true, in_doubt = true, cancelled = true }

local UNSETTLED = { queued = true, claimed = true, sending = true }

local function settle_counts()
  for batch, fields in pairs(tally) do
    local opened, closed = false, false
    for field, by in pairs(fields) do
      if by ~= 0 then
        redis.call('HINCRBY', batch, field, by)
        if by > 0 and CHARTED[field] then
          redis.call('HINCRBY', batch .. ':minutes', math.floor(now / 60000) .. ':' .. field, by)
        end
        if UNSETTLED[field] then
          if by > 0 then opened = true else closed = true end
        end
      end
    end
    if opened or closed then
      local left = redis.call('HMGET', batch, 'queued', 'claimed', 'sending')
      local unsettled = tonumber(left[1] or 0) + tonumber(left[2] or 0) + tonumber(left[3] or 0)
      if unsettled == 0 then
        redis.call('ZREM', 'pv:active', batch_id(batch))
        redis.call('HSET', batch, 'settled_at', now)
      elseif opened then
        redis.call('ZADD', 'pv:active', 'NX', now, batch_id(batch))
        redis.call('HDEL', batch, 'settled_at')
      end
    end
  end
end

-- A line of the job's story: JSON, oldest first.
local function tell(batch, n, line)
  local before = redis.call('HGET', batch .. ':history', n)
  redis.call('HSET', batch .. ':history', n, before and (before .. '\n' .. line) or line)
end

local function blame(batch, n, state, reason)
  redis.call('ZADD', batch .. ':' .. state, now, n)
  redis.call('HINCRBY', batch .. ':causes', state .. ':' .. reason, 1)
end

local function absolve(batch, n, state, reason)
  redis.call('ZREM', batch .. ':' .. state, n)
  if redis.call('HINCRBY', batch .. ':causes', state .. ':' .. reason, -1) <= 0 then
    redis.call('HDEL', batch .. ':causes', state .. ':' .. reason)
  end
end

local BLAMED = { dead = true, in_doubt = true }

-- The one way a job changes its state. The caller has checked that it may (lifecycle.py has the table).
local function move(batch, n, from, to, from_reason, reason)
  count(batch, from, -1)
  count(batch, to, 1)
  if BLAMED[from] then absolve(batch, n, from, from_reason) end
  if BLAMED[to] then blame(batch, n, to, reason) end
  redis.call('HSET', job_key(batch, n), 'state', to, 'reason', reason, 'at', now)
end

-- Adds to a job's effect bounds and its batch's.
local function widen(batch, n, least, most)
  if least ~= 0 then
    redis.call('HINCRBY', job_key(batch, n), 'least', least)
    count(batch, 'least', least)
  end
  if most ~= 0 then
    redis.call('HINCRBY', job_key(batch, n), 'most', most)
    count(batch, 'most', most)
  end
end

-- Puts a queued job where claims find it: at the front or back of its credential's list, or waiting until `due`.
local function enqueue(batch, n, credential, due, front)
  if due > now then
    redis.call('ZADD', batch .. ':waiting', due, n)
  else
    redis.call(front and 'LPUSH' or 'RPUSH', batch .. ':ready:' .. credential, n)
    redis.call('SADD', batch .. ':credentials', credential)
  end
end

-- Nobody's any more: the lease ends and the worker's name is taken off.
local function release(batch, n)
  redis.call('ZREM', batch .. ':leases', n)
  redis.call('HDEL', job_key(batch, n), 'worker')
end

-- Field of a job's hash that tells what is believed of a POST; token and attempt are its name.
local function post(token, attempt) return 'post:' .. token .. ':' .. attempt end

-- A brake that may come off by itself lets a few jobs through to try: a canary, then ten, then a hundred.
-- Its hash `pv:brake:SCOPE` holds: stage (1, 10, 100) permits out (let through in this stage) good bad (their
--   answers) pause top (stage after which it opens) next (ms when permits are given again: the next
--   canary, or lost ones)
-- A brake without that hash waits for a person.
local function permits(scope)
  local brake = redis.call('HMGET', 'pv:brake:' .. scope, 'stage', 'permits', 'next')
  if not brake[1] then return 0 end
  local left = tonumber(brake[2])
  if left > 0 then return left end
  return tonumber(brake[3]) <= now and tonumber(brake[1]) or 0
end

local function spend_permit(scope, lease)
  local brake = 'pv:brake:' .. scope
  local left = tonumber(redis.call('HGET', brake, 'permits'))
  if left <= 0 then
    left = tonumber(redis.call('HGET', brake, 'stage'))
    redis.call('HSET', brake, 'good', 0, 'bad', 0, 'out', 0)
  end
  redis.call('HSET', brake, 'permits', left - 1, 'next', now + lease)
  redis.call('HINCRBY', brake, 'out', 1)
end

-- What keeps a job of this batch, credential and target from being sent.
-- Returns the word for the job's reason, nil if nothing does; and, where a brake lets a few through, the
-- scopes whose permits a job must spend and how many jobs may.
local function held(batch, credential, target)
  local scopes = { 'all', 'batch:' .. batch_id(batch), 'credential:' .. credential, 'target:' .. target }
  local holds = redis.call('HMGET', 'pv:holds', unpack(scopes))
  if holds[1] or holds[2] then return 'paused' end
  local trial, most = nil, nil
  for i = 3, 4 do
    if holds[i] then
      local left = permits(scopes[i])
      if left == 0 then return 'braked' end
      trial = trial or {}
      trial[#trial + 1] = scopes[i]
      most = math.min(most or left, left)
    end
  end
  return nil, trial, most
end

-- Queues a job that had ended again: fresh attempts, history and bounds kept. `why` is the word of a person who
-- accepts that it may make a second widget; '' where it cannot.
local function redrive(batch, n, state, reason, credential, who, why)
  redis.call('HSET', job_key(batch, n), 'attempts', 0)
  redis.call('HINCRBY', job_key(batch, n), 'drives', 1)
  move(batch, n, state, 'queued', reason, 'redriven')
  enqueue(batch, n, credential, 0, false)
  local line = { move = 'redriven', at = now / 1000, by = who, was = reason }
  if why ~= '' then line.why = why end
  tell(batch, n, cjson.encode(line))
end
