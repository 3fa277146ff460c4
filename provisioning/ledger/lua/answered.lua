-- Records the result of a POST: the attempt, the widget and the transition together, or nothing of it.
-- KEYS[1] the batch; then schema.Answers, and schema.Answer of each POST
-- Returns schema.Recorded of each. Idempotent: a repeated call gives the same reply.
--
-- Token and attempt identify the POST. A job that waits for it makes the transition of `lifecycle.TRANSITIONS`. A
-- late answer changes the state only if it is `created`, then from any state: a widget exists, nothing more may be
-- sent. Every late answer is added to the history and corrects the belief about its POST. The answer to a POST
-- whose intent the ledger has lost is late too.
local batch = KEYS[1]
local AGAIN = { [EVENT.RETRY_DUE] = true, [EVENT.REFUSED] = true }

-- A job that was cancelled while being sent is not retried: it ends, unless its POST may have created a widget.
local function call_off(said)
  if said.attempt.outcome == OUTCOME.IN_DOUBT then
    said.event = EVENT.DOUBTED
  else
    said.event, said.reason = EVENT.CALLED_OFF, REASON.CANCELLED
  end
  said.delay = nil
end

-- An intent of which no byte was sent is no POST: the batch counts it no more.
local function uncount_withdrawn(said)
  if said.withdrawn then count(batch, 'attempts', -1) end
end

local function record_in_time(job, said, result)
  uncount_withdrawn(said)
  if result ~= '' then job.result = result end
  append_attempt(job, said.attempt)
  move(job, said.event, said.reason)
  widen(job, said.change.least, said.change.most)
  if said.event == EVENT.REFUSED then job.attempts = job.attempts - 1 end
  if job.state == STATE.CLAIMED and said.delay then -- deferred in the same call, so that the delay is never lost
    move(job, EVENT.DEFERRED, said.reason)
    enqueue(job, now + math.floor(said.delay * 1000), true)
  elseif job.state == STATE.QUEUED then -- at the back: after a failed probe, another job is the next probe
    enqueue(job, 0, false)
  end
  if job.state ~= STATE.CLAIMED then release(job) end
end

-- A second widget is stored beside the first; one that a person entered is replaced by the API's.
local function keep(job, result, typed)
  local before, beside = job.result, result
  if before == '' or typed then job.result, beside = result, before end
  if beside ~= '' and not (typed and before == result) then
    local others = redis.call('HGET', batch .. OF.late, job.n)
    redis.call('HSET', batch .. OF.late, job.n, others and (others .. '\n' .. beside) or beside)
  end
end

-- What a late answer adds to the bounds. Proof overrides what a person has found; an answer without proof does
-- not.
local function correction(believed, event, least, most)
  if believed == BELIEF.ABSENT then -- counted [0, 0]
    if event == EVENT.CREATED then return 1, 1 else return 0, 0 end
  elseif believed == BELIEF.FOUND then -- counted [1, 1]; the person found it, the API denies it: [0, 1]
    if most < 0 then return -1, 0 else return 0, 0 end
  end
  return least, most -- counted [0, 1], as while it was being sent
end

-- Whether a late answer changes the state of its job. If it asks for a retry, the job is queued already or in
-- doubt: its lease has expired, so it goes to the queue and not to the worker that sent it.
local function moves(job, waited_for, event)
  local to = LIFE[job.state][event]
  if not to or not (waited_for or event == EVENT.CREATED) then return false end
  return to ~= STATE.QUEUED or job.state ~= STATE.QUEUED
end

-- Records a late answer. Returns HOW.
local function late(job, said, believed, result)
  save(job)
  uncount_withdrawn(said)
  local this, event, attempt = post(said.token, said.attempt.n), said.event, said.attempt
  local waited_for = believed == BELIEF.OPEN and this == post(job.token, job.attempts)
    and (job.state == STATE.IN_DOUBT or job.state == STATE.QUEUED)
  if result ~= '' then keep(job, result, believed == BELIEF.FOUND) end
  attempt.late, attempt.token = true, said.token
  append_attempt(job, attempt)
  widen(job, correction(believed, event, said.change.least, said.change.most))
  if waited_for and event == EVENT.REFUSED then job.attempts = job.attempts - 1 end
  local moving = moves(job, waited_for, event)
  job.posts[this] = moving and BELIEF.MOVED or BELIEF.ANSWERED
  if not moving then return HOW.LATE end
  if job.state == STATE.SENDING then -- another POST is being sent: its answer will be late too
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

-- Whether the history contains this attempt: with this number and this time of its intent.
local function is_told(job, attempt)
  local begins = string.sub(array({ attempt.n, ms(attempt.at) }), 1, -2) .. ','
  return string.find(job.history, '\n' .. begins, 1, true) ~= nil
end

-- Records a lost intent, as one whose POST left `sending` without an answer.
local function take_up(job, said)
  count(batch, 'attempts', 1)
  widen(job, 0, 1)
  -- The claim is older than the last known one: another worker has the job by now.
  if not is_lost(job, said.token, said.attempt.n) then return end
  if job.state == STATE.CLAIMED then
    move(job, EVENT.LEASE_LAPSED, REASON.LEASE_LAPSED)
    release(job)
    enqueue(job, 0, true)
  end
  if job.state == STATE.QUEUED then job.token, job.attempts = said.token, said.attempt.n end
end

-- Stop-loss: if the first jobs of a batch all die of one cause, the batch is held, once. A person may resume it.
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
  said.withdrawn = said.event == EVENT.REFUSED and said.attempt.evidence == EVIDENCE.NOTHING_SENT
  if AGAIN[said.event] and job.calloff == token then call_off(said) end
  if job.state == STATE.SENDING and job.token == token and job.attempts == attempt then
    record_in_time(job, said, result)
    save(job)
    return HOW.IN_TIME
  elseif believed == BELIEF.MOVED then
    return HOW.LATE_MOVE
  elseif believed == BELIEF.ANSWERED then
    return HOW.LATE
  elseif believed then
    return late(job, said, believed, result)
  end
  -- A repeated call: the earlier one was executed and its reply was lost.
  local to = LIFE[STATE.SENDING][said.event]
  local counted = job.attempts == attempt or said.event == EVENT.REFUSED
  local came_to = to == STATE.CLAIMED and said.delay and STATE.QUEUED or to
  local again = counted and job.token == token and job.state == came_to
  if again then return HOW.IN_TIME end
  -- The POST was sent but is neither known nor in the history: Redis has lost its intent.
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
