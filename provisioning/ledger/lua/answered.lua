-- What came of a POST: the result and the attempt are stored with the move they cause, or not at all.
-- KEYS[1] the batch; ARGV[2] stop-loss: so many first jobs dead of one cause, and no other end, hold the
-- batch back (0: never); then 2 a job: a JSON object with the members of `records.Answered` but for the result,
--   the result as the ledger keeps it or ''
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
local function call_off(said)
  if said.attempt.outcome == 'in_doubt' then
    said.event = 'doubted'
  else
    said.event, said.reason = 'called_off', 'cancelled'
  end
  said.delay = nil
end

local function on_time(job, said, result)
  if result ~= '' then job.result = result end
  tell_attempt(job, said.attempt)
  move(job, TO[said.event], said.reason)
  widen(job, said.change.least, said.change.most)
  if said.event == 'refused' then job.attempts = job.attempts - 1 end
  if job.state == 'claimed' and said.delay then -- handed back at once: nobody can forget how long to wait
    move(job, 'queued', said.reason)
    enqueue(job, now + math.floor(said.delay * 1000), true)
  elseif job.state == 'queued' then -- to the back: a job that was the probe and failed lets another be the next
    enqueue(job, 0, false)
  end
  if job.state ~= 'claimed' then release(job) end
end

-- A second result is kept beside the first; one that only a person typed gives way to the API's own.
local function keep(job, result, typed)
  local before, beside = job.result, result
  if before == '' or typed then job.result, beside = result, before end
  if beside ~= '' and not (typed and before == result) then
    local others = redis.call('HGET', batch .. ':late', job.n)
    redis.call('HSET', batch .. ':late', job.n, others and (others .. '\n' .. beside) or beside)
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

local function late(job, said, believed, result)
  local this, event, attempt = post(said.token, said.attempt.n), said.event, said.attempt
  local waited_for = believed == 'open' and this == post(job.token, job.attempts)
    and (job.state == 'in_doubt' or job.state == 'queued')
  local to = late_move(job, waited_for, event)
  job.posts[this] = 'answered'
  if result ~= '' then keep(job, result, believed == 'found') end
  attempt.late, attempt.token = true, said.token
  tell_attempt(job, attempt)
  widen(job, correction(believed, event, said.change.least, said.change.most))
  if waited_for and event == 'refused' then job.attempts = job.attempts - 1 end
  if not to then return end
  if job.state == 'sending' then -- the POST of another, under way: its answer will be late in its turn
    job.posts[post(job.token, job.attempts)] = 'open'
  end
  move(job, to, said.reason)
  redis.call('ZREM', batch .. ':waiting', job.n)
  release(job)
  if to == 'queued' then
    enqueue(job, attempt.next_delay and now + math.floor(attempt.next_delay * 1000) or 0, true)
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

local reply, answers, numbers = {}, {}, {}
for i = 3, #ARGV, 2 do
  local said = cjson.decode(ARGV[i])
  said.result = ARGV[i + 1]
  answers[#answers + 1], numbers[#numbers + 1] = said, said.number
end
load_all(batch, numbers)
for _, said in ipairs(answers) do
  local job, result, attempt = load(batch, said.number), said.result, said.attempt.n
  local answer = 0
  if job.state then
    local believed = job.posts[post(said.token, attempt)]
    if AGAIN[said.event] and job.calloff == said.token then call_off(said) end
    if job.state == 'sending' and job.token == said.token and job.attempts == attempt then
      on_time(job, said, result)
      save(job)
      answer = 1
    elseif believed then
      if believed ~= 'answered' then
        late(job, said, believed, result)
        save(job)
      end
      answer = 2
    elseif job.token == said.token and job.state == (said.delay and 'queued' or TO[said.event]) then
      answer = 1 -- said twice: an earlier call was carried out and its reply was lost
    end
  end
  reply[#reply + 1] = answer
end
settle()
stop_loss(tonumber(ARGV[2]))
return reply
