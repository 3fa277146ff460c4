-- What came of a POST: the result and the attempt are stored with the move they cause, or not at all.
-- KEYS[1] the batch; then schema.Answers, and schema.Answer of each POST
-- Returns schema.Recorded of each. Said twice (a lost reply), it answers as it did at first.
--
-- Token and attempt name the POST. A job that still waits for it takes the answer as `lifecycle.TRANSITIONS`
-- says. After that only `created` moves a job, from anywhere: there is a widget, nothing more is to be sent.
-- Every late answer is told in the history and sets right what was believed of its POST. One whose intent the
-- ledger has lost is late as well.
local batch = KEYS[1]
local AGAIN = { [EVENT.RETRY_DUE] = true, [EVENT.REFUSED] = true }

-- After a call-off nothing is tried again: the job ends, unless its POST may have made a widget unseen.
local function call_off(said)
  if said.attempt.outcome == OUTCOME.IN_DOUBT then
    said.event = EVENT.DOUBTED
  else
    said.event, said.reason = EVENT.CALLED_OFF, REASON.CANCELLED
  end
  said.delay = nil
end

local function on_time(job, said, result)
  if result ~= '' then job.result = result end
  tell_attempt(job, said.attempt)
  move(job, said.event, said.reason)
  widen(job, said.change.least, said.change.most)
  if said.event == EVENT.REFUSED then job.attempts = job.attempts - 1 end
  if job.state == STATE.CLAIMED and said.delay then -- handed back at once: nobody can forget how long to wait
    move(job, EVENT.DEFERRED, said.reason)
    enqueue(job, now + math.floor(said.delay * 1000), true)
  elseif job.state == STATE.QUEUED then -- to the back: a probe that failed lets another be the next
    enqueue(job, 0, false)
  end
  if job.state ~= STATE.CLAIMED then release(job) end
end

-- A second result is kept beside the first; one that only a person typed gives way to the API's own.
local function keep(job, result, typed)
  local before, beside = job.result, result
  if before == '' or typed then job.result, beside = result, before end
  if beside ~= '' and not (typed and before == result) then
    local others = redis.call('HGET', batch .. OF.late, job.n)
    redis.call('HSET', batch .. OF.late, job.n, others and (others .. '\n' .. beside) or beside)
  end
end

-- What a late answer adds to the bounds. Proof overrules a person's word; an answer without proof does not.
local function correction(believed, event, least, most)
  if believed == BELIEF.ABSENT then -- counted [0, 0]
    if event == EVENT.CREATED then return 1, 1 else return 0, 0 end
  elseif believed == BELIEF.FOUND then -- counted [1, 1]; seen by one, denied by the other: [0, 1]
    if most < 0 then return -1, 0 else return 0, 0 end
  end
  return least, most -- counted [0, 1], as while it was being sent
end

-- Whether a late answer moves its job. One that calls for another attempt finds the job queued already, or in
-- doubt: its lease is gone, so it goes to the queue and not to its former hands.
local function moves(job, waited_for, event)
  local to = LIFE[job.state][event]
  if not to or not (waited_for or event == EVENT.CREATED) then return false end
  return to ~= STATE.QUEUED or job.state ~= STATE.QUEUED
end

-- Books it. Returns how.
local function late(job, said, believed, result)
  save(job)
  local this, event, attempt = post(said.token, said.attempt.n), said.event, said.attempt
  local waited_for = believed == BELIEF.OPEN and this == post(job.token, job.attempts)
    and (job.state == STATE.IN_DOUBT or job.state == STATE.QUEUED)
  if result ~= '' then keep(job, result, believed == BELIEF.FOUND) end
  attempt.late, attempt.token = true, said.token
  tell_attempt(job, attempt)
  widen(job, correction(believed, event, said.change.least, said.change.most))
  if waited_for and event == EVENT.REFUSED then job.attempts = job.attempts - 1 end
  local moving = moves(job, waited_for, event)
  job.posts[this] = moving and BELIEF.MOVED or BELIEF.ANSWERED
  if not moving then return HOW.LATE end
  if job.state == STATE.SENDING then -- the POST of another, under way: its answer will be late in its turn
    job.posts[post(job.token, job.attempts)] = BELIEF.OPEN
  end
  move(job, event, said.reason)
  redis.call('ZREM', batch .. OF.waiting, job.n)
  release(job)
  if job.state == STATE.QUEUED then
    enqueue(job, attempt.next_delay and now + math.floor(attempt.next_delay * 1000) or 0, true)
  end
  return HOW.LATE_MOVE
end

-- Whether the story tells of an attempt: of that number, and intended in that moment.
local function is_told(job, attempt)
  local begins = string.sub(array({ attempt.n, ms(attempt.at) }), 1, -2) .. ','
  return string.find(job.story, '\n' .. begins, 1, true) ~= nil
end

-- Takes the intent down after all, as of a POST that left `sending` without an answer.
local function take_up(job, said)
  count(batch, 'attempts', 1)
  widen(job, 0, 1)
  -- Of an older claim than the last that it knows: the job is another's by now.
  if not is_lost(job, said.token, said.attempt.n) then return end
  if job.state == STATE.CLAIMED then
    move(job, EVENT.LEASE_LAPSED, REASON.LEASE_LAPSED)
    release(job)
    enqueue(job, 0, true)
  end
  if job.state == STATE.QUEUED then job.token, job.attempts = said.token, said.attempt.n end
end

-- The first jobs of a batch tell whether it makes sense to send the rest. Said once; a person may go on.
local function stop_loss()
  local ends = redis.call('HMGET', batch, STATE.DEAD, STATE.SUCCEEDED, STATE.IN_DOUBT, 'stop_loss')
  local dead = tonumber(ends[1] or 0)
  if arg.stop_loss == 0 or dead < arg.stop_loss or ends[4] then return end
  if tonumber(ends[2] or 0) > 0 or tonumber(ends[3] or 0) > 0 then return end
  local causes = redis.call('HGETALL', batch .. OF.causes)
  if #causes ~= 2 then return end
  local cause = string.sub(causes[1], #STATE.DEAD + 2) -- dead:CAUSE
  local name = redis.call('HGET', batch, 'name') or batch_id(batch)
  local scope = SCOPE.batch .. batch_id(batch)
  redis.call('HSET', batch, 'stop_loss', cause)
  local stopped = redis.call('HSETNX', KEY.holds, scope, cjson.encode({
    scope = scope, at = now / 1000, by = 'stop-loss', kind = HOLD_KIND.STOP_LOSS,
    why = 'the first ' .. dead .. ' jobs all died of ' .. cause .. '; look at them (provision dead-letters '
      .. name .. '), then: provision resume ' .. name .. ' or provision cancel ' .. name,
  }))
  if stopped == 1 then announce(HAPPENED.BATCH_STOPPED, batch) end
end

-- Returns how what came of one POST was recorded.
local function record(job, said, result)
  local token, attempt = said.token, said.attempt.n
  local believed = job.posts[post(token, attempt)]
  if AGAIN[said.event] and job.calloff == token then call_off(said) end
  if job.state == STATE.SENDING and job.token == token and job.attempts == attempt then
    on_time(job, said, result)
    save(job)
    return HOW.IN_TIME
  elseif believed == BELIEF.MOVED then
    return HOW.LATE_MOVE
  elseif believed == BELIEF.ANSWERED then
    return HOW.LATE
  elseif believed then
    return late(job, said, believed, result)
  end
  -- Said twice: an earlier call was carried out and its reply was lost.
  local to = LIFE[STATE.SENDING][said.event]
  local counted = job.attempts == attempt or said.event == EVENT.REFUSED
  local came_to = to == STATE.CLAIMED and said.delay and STATE.QUEUED or to
  local again = counted and job.token == token and job.state == came_to
  if again then return HOW.IN_TIME end
  -- What was sent, and is not known and not told, is the trace of an intent that Redis has lost.
  local sent = said.attempt.evidence ~= EVIDENCE.NOTHING_SENT
  if not sent or is_told(job, said.attempt) then return HOW.LOST end
  take_up(job, said)
  return late(job, said, BELIEF.OPEN, result)
end

local reply, answers, numbers = {}, {}, {}
for answer in rows() do
  answers[#answers + 1] = { said = answer.said, result = answer.result }
  numbers[#numbers + 1] = answer.said.number
end
load_all(batch, numbers)
for _, answer in ipairs(answers) do
  local job = load(batch, answer.said.number)
  local key = answer.said.key
  local is_its_own = job.state and (not key or key == job.key)
  local how = is_its_own and record(job, answer.said, answer.result) or HOW.LOST
  give(reply, how, job.state, job.reason or '')
end
settle()
stop_loss()
return reply
