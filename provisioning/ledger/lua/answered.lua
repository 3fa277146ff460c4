-- What came of a POST: the result and the attempt are stored with the move they cause, or not at all.
-- KEYS[1] the batch; ARGV[2] stop-loss: so many first jobs dead of one cause, and no other end, hold the
-- batch back (0: never); then 9 a job: number, token, attempt, event (lifecycle.Event), reason,
--   least and most to add to the bounds, attempt as JSON, result as JSON or ''
-- Returns a list, 1 a job: 1 recorded (now or by an earlier call whose reply was lost); 2 recorded late, when the
-- job was no longer being sent under this token; 0 there is nothing of this POST left to record.
--
-- Token and attempt name the POST. A job that still waits for it takes the answer as `lifecycle.TRANSITIONS`
-- says. After that only `created` moves a job, from anywhere: there is a widget, nothing more is to be sent.
-- Every late answer is told in the history and sets right what was believed of its POST.
local batch = KEYS[1]
local TO = {
  created = 'succeeded', rejected = 'dead', exhausted = 'dead', retry_due = 'claimed',
  refused = 'queued', doubted = 'in_doubt', called_off = 'cancelled',
}
local AGAIN = { retry_due = true, refused = true }

-- After a call-off nothing is tried again: the job ends, unless its POST may have made a widget unseen.
local function called_off(line)
  return string.find(line, '"outcome":"in_doubt"', 1, true) and 'doubted' or 'called_off'
end

local function on_time(n, job, event, reason, least, most, line, result)
  local to = TO[event]
  if result ~= '' then redis.call('HSET', batch .. ':results', n, result) end
  tell(batch, n, line)
  move(batch, n, 'sending', to, job.reason, reason)
  widen(batch, n, least, most)
  if event == 'refused' then redis.call('HINCRBY', job_key(batch, n), 'attempts', -1) end
  -- To the back: a job that was the canary and failed lets another be the next one.
  if to == 'queued' then enqueue(batch, n, job.cred, 0, false) end
  if to ~= 'claimed' then release(batch, n) end
end

-- A second result is kept beside the first; one that only a person typed gives way to the API's own.
local function keep(n, result, typed)
  local before, beside = redis.call('HGET', batch .. ':results', n), result
  if not before or typed then
    redis.call('HSET', batch .. ':results', n, result)
    beside = before
  end
  if beside and not (typed and before == result) then
    local others = redis.call('HGET', batch .. ':late', n)
    redis.call('HSET', batch .. ':late', n, others and (others .. '\n' .. beside) or beside)
  end
end

-- What a late answer adds to the bounds. Proof overrules a person's word; an answer without proof does not.
local function correction(believed, event, least, most)
  if believed == 'absent' then -- counted [0, 0]
    if event == 'created' then return 1, 1 else return 0, 0 end
  elseif believed == 'found' then -- counted [1, 1]; seen by one, denied by the other: [0, 1]
    if most < 0 then return -1, 0 else return 0, 0 end
  end
  return least, most -- counted [0, 1], as while it was being sent
end

-- Where a late answer takes its job; nil where it stays.
local function late_move(job, waited_for, event)
  if event == 'created' then
    return job.state ~= 'succeeded' and 'succeeded' or nil
  elseif not waited_for then
    return nil
  elseif AGAIN[event] and job.state == 'in_doubt' then
    return 'queued' -- its lease is gone: to the queue, not to its hands
  elseif AGAIN[event] then
    return nil -- queued, as it should be
  end
  return TO[event]
end

local function late(n, token, attempt, job, believed, event, reason, least, most, line, result)
  local key = job_key(batch, n)
  local waited_for = believed == 'open' and job.token == token and job.attempts == attempt
    and (job.state == 'in_doubt' or job.state == 'queued')
  local to = late_move(job, waited_for, event)
  redis.call('HSET', key, post(token, attempt), 'answered')
  if result ~= '' then keep(n, result, believed == 'found') end
  tell(batch, n, '{"late":true,"token":' .. token .. ',' .. string.sub(line, 2))
  widen(batch, n, correction(believed, event, least, most))
  if waited_for and event == 'refused' then redis.call('HINCRBY', key, 'attempts', -1) end
  if not to then return end
  if job.state == 'sending' then -- the POST of another, under way: its answer will be late in its turn
    redis.call('HSET', key, post(job.token, job.attempts), 'open')
  end
  move(batch, n, job.state, to, job.reason, reason)
  redis.call('ZREM', batch .. ':waiting', n)
  release(batch, n)
  if to == 'queued' then
    local wait = cjson.decode(line).next_delay
    enqueue(batch, n, job.cred, type(wait) == 'number' and now + math.floor(wait * 1000) or 0, true)
  end
end

-- The first jobs of a batch tell whether it makes sense to send the rest. Said once; a person may go on.
local function stop_loss(limit)
  local ends = redis.call('HMGET', batch, 'dead', 'succeeded', 'in_doubt', 'stop_loss')
  local dead = tonumber(ends[1] or 0)
  if limit == 0 or dead < limit or ends[4] then return end
  if tonumber(ends[2] or 0) > 0 or tonumber(ends[3] or 0) > 0 then return end
  local causes = redis.call('HGETALL', batch .. ':causes')
  if #causes ~= 2 then return end
  local cause = string.sub(causes[1], 6) -- dead:CAUSE
  local name = redis.call('HGET', batch, 'name') or batch_id(batch)
  redis.call('HSET', batch, 'stop_loss', cause)
  redis.call('HSETNX', 'pv:holds', 'batch:' .. batch_id(batch), cjson.encode({
    scope = 'batch:' .. batch_id(batch), at = now / 1000, by = 'stop-loss', kind = 'stop_loss',
    why = 'the first ' .. dead .. ' jobs all died of ' .. cause .. '; look at them (provision dead-letters '
      .. name .. '), then: provision resume ' .. name .. ' or provision cancel ' .. name,
  }))
end

local reply = {}
for i = 3, #ARGV, 9 do
  local n, token, attempt, event, reason, least, most, line, result = unpack(ARGV, i, i + 8)
  local at = redis.call('HMGET', job_key(batch, n), 'state', 'token', 'attempts', 'reason', 'cred', 'calloff',
    post(token, attempt))
  local job = { state = at[1], token = at[2], attempts = at[3], reason = at[4], cred = at[5], calloff = at[6] }
  local believed, answer = at[7], 0
  least, most = tonumber(least), tonumber(most)
  if AGAIN[event] and job.calloff == token then
    event = called_off(line)
    if event == 'called_off' then reason = 'cancelled' end
  end
  if job.state == 'sending' and job.token == token and job.attempts == attempt then
    on_time(n, job, event, reason, least, most, line, result)
    answer = 1
  elseif believed then
    if believed ~= 'answered' then
      late(n, token, attempt, job, believed, event, reason, least, most, line, result)
    end
    answer = 2
  elseif job.token == token and job.state == TO[event] then
    answer = 1 -- said twice: an earlier call was carried out and its reply was lost
  end
  reply[#reply + 1] = answer
end
settle_counts()
stop_loss(tonumber(ARGV[2]))
return reply
