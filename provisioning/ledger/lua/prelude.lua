-- Precedes every script of this folder. Before it are the definitions that provisioning/ledger/schema.py
-- generates: words, rows, keys and the stored form of a job. Each call is
--   KEYS[1]  the batch's key, `pv:{B}` (see provisioning/ledger/keys.py for its other keys)
--   ARGV[1]  now in ms, or '' for the server's own clock (tests give a time)
--   ARGV[2…] `arg`, then `rows()`
-- A script loads jobs, changes the tables it gets and saves them; settle(), at its end, writes what was saved.

local function clock()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end
local now = clock()

local function batch_id(batch) return string.sub(batch, 5, -2) end -- pv:{B} → B
local function batch_key(id) return 'pv:{' .. id .. '}' end

-- The owner of a batch; '' for `default`, whose names and identities have the keys of the time before owners.
local function owner_of(batch) return redis.call('HGET', batch, 'owner') or '' end
local function owned_name(owner, name) return owner == '' and name or owner .. '/' .. name end
local function identities_of(owner, credential)
  return owner == '' and KEY.identity .. credential or KEY.identities .. owner .. ':' .. credential
end

-- Changes of counts, summed over the call.
local tally = {}
local function count(batch, field, by)
  local fields = tally[batch]
  if not fields then fields = {}; tally[batch] = fields end
  fields[field] = (fields[field] or 0) + by
end

-- Leases that began and ended in this call, by batch.
local leased, released = {}, {}

-- Counts per minute: jobs that reached these states, and POSTs that began.
local CHARTED = { attempts = true, succeeded = true, dead = true, in_doubt = true, cancelled = true }

-- Once an hour, sums up counts older than a day into hours and those older than a month into days, complete ones
-- only: `MINUTE/LENGTH:STATE`. Otherwise a batch that is open for a year would have half a million fields.
local DAY, MONTH = 1440, 31 * 1440
local function fold_chart(batch)
  local chart, minute = batch .. OF.minutes, math.floor(now / 60000)
  local hour = math.floor(minute / 60)
  if tonumber(redis.call('HGET', batch, 'charted') or 0) >= hour then return end
  redis.call('HSET', batch, 'charted', hour)
  local today, this_month = (hour * 60) - DAY, minute - minute % DAY - MONTH
  local flat = redis.call('HGETALL', chart)
  for i = 1, #flat, 2 do
    local first, length, what = string.match(flat[i], '^(%d+)/?(%d*):(.*)$')
    first, length = tonumber(first), tonumber(length) or 1
    local longer = first < this_month and DAY or first < today and 60 or 1
    if longer > length then
      redis.call('HINCRBY', chart, first - first % longer .. '/' .. longer .. ':' .. what, flat[i + 1])
      redis.call('HDEL', chart, flat[i])
    end
  end
end

-- Has nobody told of a batch, job or owner any more.
local function drop_webhook(on)
  redis.call('HDEL', KEY.webhooks, on)
  redis.call('HDEL', KEY.webhook_events, on)
  redis.call('HDEL', KEY.webhook_states, on, on .. ':dropped')
  redis.call('ZREM', KEY.webhooks_due, on)
  redis.call('DEL', KEY.outbox .. on, KEY.deliveries .. on, KEY.delivered .. on)
end

-- The place of a delivery in the list of a webhook's, and itself; nil if it is not there any more.
local function find_delivery(on, id)
  for place, line in ipairs(redis.call('LRANGE', KEY.deliveries .. on, 0, -1)) do
    local delivery = cjson.decode(line)
    if delivery.id == id then return place - 1, delivery end
  end
end

local function write_delivery(on, place, delivery)
  redis.call('LSET', KEY.deliveries .. on, place, cjson.encode(delivery))
end

-- Takes the oldest out of an outbox that is full, and counts it. The first stays: it may be under way.
local function drop_oldest(on)
  local line = redis.call('LINDEX', KEY.outbox .. on, 1)
  redis.call('LREM', KEY.outbox .. on, 1, line)
  redis.call('HINCRBY', KEY.webhook_states, on .. ':dropped', 1)
  local entry, subject = string.match(line, '^(%S+) [^%s@]+@?(%S*)')
  local place, delivery = find_delivery(on, 'msg_' .. (subject ~= '' and subject or on) .. '_' .. entry)
  if place then -- somebody had asked for it once more
    delivery.outcome = DELIVERED.GIVEN_UP
    write_delivery(on, place, delivery)
  end
end

-- Puts into the outbox of a webhook what it is to be told: an event; of an owner's `EVENT@ID` of the batch or job.
-- This is told as it stands then: of the same that has happened time and again, and nobody was told yet, the last
-- is enough. The first may be under way.
local function add_to_outbox(on, entry, what)
  local outbox = KEY.outbox .. on
  local last = redis.call('LINDEX', outbox, -1)
  if last and string.match(last, '^%S+ (%S+)$') == what and redis.call('LLEN', outbox) > 1 then
    redis.call('LSET', outbox, -1, entry .. ' ' .. what)
  elseif redis.call('RPUSH', outbox, entry .. ' ' .. what) > OUTBOX_MOST then
    drop_oldest(on)
  end
  redis.call('ZADD', KEY.webhooks_due, 'NX', now, on)
end

-- Whether the webhook of an owner, if there is one, is to be told of such an event.
local function owner_wants(on, happened)
  local events = redis.call('HGET', KEY.webhook_events, on)
  return events and (events == '*' or string.find(events, ' ' .. happened .. ' ', 1, true))
end

-- What somebody may wait for, appended to one stream; and to what webhooks are to be told, if there are any: that
-- of the batch or single job, that of its owner. `n` is the number of a single job.
local function announce(happened, batch, n)
  local id = batch_id(batch)
  local on = n and id .. '.' .. n or id
  local entry = redis.call(
    'XADD', KEY.events, 'MAXLEN', '~', EVENTS_KEPT, '*', 'event', happened, 'batch', id, 'job', n or ''
  )
  if not WEBHOOK_EVENTS[happened] then return end
  if redis.call('HEXISTS', KEY.webhooks, on) == 1 then add_to_outbox(on, entry, happened) end
  local owner = owner_of(batch)
  local all = OF_OWNER .. (owner == '' and DEFAULT_OWNER or owner)
  if owner_wants(all, happened) then add_to_outbox(all, entry, happened .. '@' .. on) end
end

local HELD = {
  [HOLD_KIND.PAUSED] = HAPPENED.BATCH_PAUSED, [HOLD_KIND.BRAKE] = HAPPENED.BATCH_BRAKED,
  [HOLD_KIND.STOP_LOSS] = HAPPENED.BATCH_STOPPED,
}

-- Adds the event of a batch that an existing hold now applies to.
local function announce_hold(batch, scope)
  local hold = redis.call('HGET', KEY.holds, scope)
  local happened = hold and HELD[cjson.decode(hold).kind]
  if happened then announce(happened, batch) end
end

-- The text after its prefix `beginning`; nil if it has another one.
local function after(beginning, text)
  return string.sub(text, 1, #beginning) == beginning and string.sub(text, #beginning + 1) or nil
end

-- Whether a hold on a scope applies to some job of a batch now.
local function keeps_back(scope, batch)
  local credential = after(SCOPE.credential, scope)
  if credential then return redis.call('SISMEMBER', batch .. OF.credentials, credential) == 1 end
  return scope == SCOPE.all or after(SCOPE.target, scope) ~= nil or after(SCOPE.batch, scope) == batch_id(batch)
end

-- Adds a batch to the active ones. Events for holds on its credentials follow in `add_credential`.
local function add_to_active(batch)
  if redis.call('ZADD', KEY.active, 'NX', now, batch_id(batch)) == 0 then return end
  for _, scope in ipairs(redis.call('HKEYS', KEY.holds)) do
    if not after(SCOPE.credential, scope) and keeps_back(scope, batch) then announce_hold(batch, scope) end
  end
end

-- Adds a credential to those with ready jobs.
local function add_credential(batch, credential)
  if redis.call('SADD', batch .. OF.credentials, credential) == 1 then
    announce_hold(batch, SCOPE.credential .. credential)
  end
end

-- The batches that a hold on a scope applies to now.
local function held_by(scope)
  local id = after(SCOPE.batch, scope)
  if id then return { batch_key(id) } end
  local batches = {}
  for _, active in ipairs(redis.call('ZRANGE', KEY.active, 0, -1)) do
    local batch = batch_key(active)
    if keeps_back(scope, batch) then batches[#batches + 1] = batch end
  end
  return batches
end

-- A recurring word is stored as a number: up to 100 its position in WORDS, which is append-only; above that its
-- number in `pv:{B}:words`, `=WORD` → number and number → WORD. If that is full, the word is stored as text.
local FULL = 1000
local numbers, words = {}, {}

local function number_of(batch, word)
  if word == '' then return '' end
  local number = NUMBERS[word] or numbers[batch .. word]
  if number then return number end
  local known = batch .. OF.words
  number = redis.call('HGET', known, '=' .. word)
  if not number then
    local size = redis.call('HLEN', known) / 2
    if size >= FULL then return word end
    number = 101 + size
    redis.call('HSET', known, '=' .. word, number, number, word)
  end
  numbers[batch .. word] = tonumber(number)
  return tonumber(number)
end

local function word_of(batch, number)
  if type(number) == 'string' then return number end
  local word = WORDS[number] or words[batch .. number]
  if not word then
    word = redis.call('HGET', batch .. OF.words, number)
    words[batch .. number] = word
  end
  return word
end

-- A JSON array of these values, without those at its end that are '' or `default`.
local function array(values, default)
  local last = #values
  while values[last] == '' or values[last] == default do
    values[last] = nil
    last = last - 1
  end
  return cjson.encode(values)
end

-- Decodes a job: `pv:{B}:jobs` N → lines: a JSON array (schema.JOB); its widget, or nothing; its history.
-- If there is none: a job without a state.
local function unfold(batch, n, value)
  if not value then return { batch = batch, n = n } end
  local array_ends = string.find(value, '\n', 1, true) or #value + 1
  local result_ends = string.find(value, '\n', array_ends + 1, true) or #value + 1
  local kept = cjson.decode(string.sub(value, 1, array_ends - 1))
  local job = job_of(batch, kept, word_of)
  job.batch, job.n, job.newer = batch, n, kept[PLACES + 1] and kept
  job.result = string.sub(value, array_ends + 1, result_ends - 1)
  job.history = string.sub(value, result_ends)
  job.was_dead, job.was_risky = job.state == STATE.DEAD and job.reason, job.most > 0
  return job
end

local function fold(job)
  local kept = kept_of(job.batch, job, number_of)
  for i = PLACES + 1, job.newer and #job.newer or 0 do kept[i] = job.newer[i] end -- fields of a newer version
  local below = job.result .. job.history
  return array(kept, 0) .. (below ~= '' and '\n' .. below or '')
end

-- The highest job number of a batch. If Redis has lost jobs and workers restored later ones, there are gaps.
local function last_number(batch)
  local kept = redis.call('HMGET', batch, 'accepted', 'last_number')
  return math.max(tonumber(kept[1]) or 0, tonumber(kept[2]) or 0)
end

-- Limits a batch to its first few new jobs, until it is paused (claim.lua) or a person resumes it. A limit that it
-- has is kept: a submission that is repeated does not add to it.
local function set_first(batch, first)
  if redis.call('HEXISTS', batch, 'first') == 0 then
    local hold = cjson.encode({ by = first.by, why = first.why, kind = HOLD_KIND.PAUSED, first = first.jobs })
    redis.call('HSET', batch, 'first', last_number(batch) + first.jobs, 'first_hold', hold)
  end
  redis.call('HSET', batch, 'first_asked', first.asked)
end

-- Returns whether the batch had a limit.
local function end_first(batch)
  return redis.call('HDEL', batch, 'first', 'first_hold', 'first_asked') > 0
end

-- The highest number of the jobs that a batch is limited to; nil without a limit.
local limits = {}
local function first_of(batch)
  if limits[batch] == nil then limits[batch] = tonumber(redis.call('HGET', batch, 'first') or '') or false end
  return limits[batch] or nil
end

-- Opens a batch again that is gone: its creator removed it as empty after another submitter had found it, its
-- retention ended, or Redis lost it. It is its owner's again, and limited to its first few jobs if it was.
local function list_batch(batch, owner, first)
  if redis.call('HSETNX', batch, 'opened_at', now) == 1 then
    if first then set_first(batch, first) end
    if owner ~= '' then redis.call('HSET', batch, 'owner', owner) end
    redis.call('SET', KEY.format, FORMAT, 'NX') -- jobs are also restored in a Redis that has lost everything
    redis.call('ZADD', KEY.batches, 'NX', now, batch_id(batch))
  end
end

-- The error for claims and new jobs after this Redis may have lost writes, or nil. Workers first restore their
-- jobs (restore.lua); otherwise two workers could send a job, or a new job could get the number of a lost one.
local function unsettled_primary()
  local left = tonumber(redis.call('HGET', KEY.primary, 'settles_at') or 0) - now
  if left > 0 and left <= SETTLING_MS then -- more is left only if the clock was set back
    return redis.error_reply('SETTLING for ' .. math.ceil(left / 1000) .. ' s')
  end
end

-- The jobs of this call, by batch and number, and those that settle() is to write.
local loaded, saved = {}, {}

local function load_all(batch, numbers)
  local mine = loaded[batch] or {}
  loaded[batch] = mine
  if #numbers == 0 then return end
  for i, value in ipairs(redis.call('HMGET', batch .. OF.jobs, unpack(numbers))) do
    local n = tostring(numbers[i])
    mine[n] = mine[n] or unfold(batch, n, value)
  end
end

local function load(batch, n)
  n = tostring(n)
  if not (loaded[batch] and loaded[batch][n]) then load_all(batch, { n }) end
  return loaded[batch][n]
end

local function save(job)
  if job.saved then return end
  job.saved = true
  local mine = saved[job.batch] or {}
  saved[job.batch] = mine
  mine[#mine + 1] = job
end

-- Appends a line to the job's history.
local function append_line(job, line) job.history = job.history .. '\n' .. line end

-- Appends a transition that is not an attempt.
local function append_transition(job, name, who, facts)
  local line = facts or {}
  line.move, line.at, line.by = name, now / 1000, who
  append_line(job, cjson.encode(line))
end

-- Appends an attempt, with the members of provisioning.attempt.Attempt, encoded by schema.ATTEMPT.
local function append_attempt(job, attempt)
  append_line(job, array(attempt_of(job.batch, attempt, number_of)))
end

local function blame(batch, n, state, reason)
  redis.call('ZADD', batch .. OF.badly .. state, now, n)
  redis.call('HINCRBY', batch .. OF.causes, state .. ':' .. reason, 1)
end

local function absolve(batch, n, state, reason)
  redis.call('ZREM', batch .. OF.badly .. state, n)
  if redis.call('HINCRBY', batch .. OF.causes, state .. ':' .. reason, -1) <= 0 then
    redis.call('HDEL', batch .. OF.causes, state .. ':' .. reason)
  end
end

local BLAMED = { [STATE.DEAD] = true, [STATE.IN_DOUBT] = true }

-- Jobs that have ended in this call.
local ended_jobs = {}

-- The only function that changes the state of a job. An event without a transition is a bug of the caller.
local function move(job, event, reason)
  local batch, n, to = job.batch, job.n, LIFE[job.state][event]
  if not to then error(job.state .. ' does not know ' .. event) end
  count(batch, job.state, -1)
  count(batch, to, 1)
  if BLAMED[job.state] then absolve(batch, n, job.state, job.reason) end
  if BLAMED[to] then blame(batch, n, to, reason) end
  if not UNSETTLED[to] and to ~= job.state and not job.has_ended then
    ended_jobs[#ended_jobs + 1], job.has_ended = job, true
  end
  job.state, job.reason, job.at = to, reason, now
end

-- Adds to the bounds of a job and of its batch.
local function widen(job, least, most)
  job.least, job.most = job.least + least, job.most + most
  count(job.batch, 'least', least)
  count(job.batch, 'most', most)
end

-- Adds a queued job to the front or back of the ready list of its credential, or to `waiting` until `due`. If the
-- batch is limited to its first few jobs, these are before all others in the list.
local function enqueue(job, due, front)
  local batch = job.batch
  local first = first_of(batch)
  if first then front = tonumber(job.n) <= first end
  if due > now then
    redis.call('ZADD', batch .. OF.waiting, due, job.n)
  else
    redis.call(front and 'LPUSH' or 'RPUSH', batch .. OF.ready .. job.credential, job.n)
    add_credential(batch, job.credential)
  end
end

-- Sets the lease of a job.
local function lease(job, ends)
  local given = leased[job.batch] or {}
  leased[job.batch] = given
  given[#given + 1], given[#given + 2] = ends, job.n
end

-- Ends the lease of a job and removes the name of its worker.
local function release(job)
  local free = released[job.batch] or {}
  released[job.batch] = free
  free[#free + 1] = job.n
  job.worker = ''
end

-- The key of a POST in the `posts` of a job.
local function post(token, attempt) return token .. ':' .. attempt end

-- A circuit breaker stays open until a person resumes it. Then one job is sent as a probe: in `pv:brake:SCOPE`,
-- `next` is the earliest time (ms) of the probe, or of another one if the first has no result. An earlier version
-- had circuit breakers for outages that sent probes on their own (`top` 100). Workers now detect outages
-- themselves, and such a circuit breaker is removed.
local function probes(scope)
  local brake = redis.call('HMGET', KEY.brake .. scope, 'next', 'top')
  if brake[2] == '100' then
    redis.call('DEL', KEY.brake .. scope)
    redis.call('HDEL', KEY.holds, scope)
    return nil
  end
  return brake[1] and tonumber(brake[1]) <= now and 1 or 0
end

-- Whether the ledger has lost the intent of a POST, in a power cut or a failover: the claim is later than the last
-- known one, or the claim is known and the attempt is not. Also if the job was cancelled since.
local function is_lost(job, token, attempt)
  if token ~= job.token then return token > job.token end
  return job.state ~= STATE.SENDING and attempt > job.attempts
end

local function spend_probe(scope, lease) redis.call('HSET', KEY.brake .. scope, 'next', now + lease) end

-- Whether a hold prevents a job of this batch, credential and target from being sent.
-- Returns the reason, nil if no hold applies; and the scopes of the circuit breakers that let it through as a
-- probe.
local free = {} -- credentials without a hold; valid within this call, because scripts are atomic
local function held(batch, credential, target)
  if free[credential] then return nil end
  local scopes = {
    SCOPE.all, SCOPE.batch .. batch_id(batch), SCOPE.credential .. credential, SCOPE.target .. target,
  }
  local holds = redis.call('HMGET', KEY.holds, unpack(scopes))
  if holds[1] or holds[2] then return REASON.PAUSED end
  local let_through = nil
  for i = 3, 4 do
    local left = holds[i] and probes(scopes[i])
    if left == 0 then return REASON.BRAKED end
    if left then
      let_through = let_through or {}
      let_through[#let_through + 1] = scopes[i]
    end
  end
  free[credential] = not let_through
  return nil, let_through
end

-- New attempts. The token changes, so that no earlier attempt can be taken for one of these.
local function reset_attempts(job)
  job.attempts = 0
  if job.token > 0 then job.token = job.token + 1 end
end

-- Queues an ended job again: new attempts, history and bounds kept. `why` is the reason of a person who accepts
-- that it may create a second widget; '' if it cannot.
local function redrive(job, who, why)
  append_transition(job, MOVE.REDRIVEN, who, { was = job.reason, why = why ~= '' and why or nil })
  reset_attempts(job)
  job.drives = job.drives + 1
  move(job, EVENT.REDRIVEN, REASON.REDRIVEN)
  enqueue(job, 0, false)
end

-- Whether a step of a bulk act may be made: the act is running, and no other server has made this step. `step`
-- are the arguments of the script; '' for its act if the call is no step of one.
local function may_step(step)
  if step.bulk == '' then return true end
  local known = redis.call('HMGET', KEY.bulk .. step.bulk, 'state', 'cursor')
  return known[1] == BULK.RUNNING and known[2] == step.cursor
end

-- Records a step of a bulk act with its results, in the call that makes it: it is neither counted twice nor lost.
local function record_step(step, came)
  if step.bulk == '' then return end
  for field, by in pairs(came) do
    if by > 0 then redis.call('HINCRBY', KEY.bulk .. step.bulk, field, by) end
  end
  redis.call('HSET', KEY.bulk .. step.bulk, 'cursor', step.next)
end

local SOME = 2000 -- Lua passes a few thousand arguments at most; an even number, because values come in pairs

local function in_parts(command, key, values)
  for first = 1, #values, SOME do
    redis.call(command, key, unpack(values, first, math.min(first + SOME - 1, #values)))
  end
end

local EVENT_OF_END = {
  [STATE.SUCCEEDED] = HAPPENED.JOB_SUCCEEDED, [STATE.DEAD] = HAPPENED.JOB_DEAD,
  [STATE.IN_DOUBT] = HAPPENED.JOB_IN_DOUBT, [STATE.CANCELLED] = HAPPENED.JOB_CANCELLED,
}

-- Each single job has its own event: clients wait for it. The batch shows that it has single jobs.
local function announce_ended()
  local single = {}
  for _, job in ipairs(ended_jobs) do
    local batch = job.batch
    if single[batch] == nil then single[batch] = redis.call('HEXISTS', batch, 'urgent') == 1 end
    if single[batch] and EVENT_OF_END[job.state] then announce(EVENT_OF_END[job.state], batch, job.n) end
  end
end

-- Counts the dead jobs by cause, and those of them that may have a widget: `all:CAUSE`, `risky:CAUSE`. Jobs that
-- an earlier version let die are in neither. So a count is right if `all:CAUSE` is what `causes` says.
local function count_risk(batch, jobs)
  local sums = {}
  local function add(cause, risky, by)
    if not cause then return end
    sums['all:' .. cause] = (sums['all:' .. cause] or 0) + by
    if risky then sums['risky:' .. cause] = (sums['risky:' .. cause] or 0) + by end
  end
  for _, job in ipairs(jobs) do
    add(job.was_dead, job.was_risky, -1)
    add(job.state == STATE.DEAD and job.reason, job.most > 0, 1)
  end
  for field, by in pairs(sums) do
    if by ~= 0 and redis.call('HINCRBY', batch .. OF.risk, field, by) <= 0 then
      redis.call('HDEL', batch .. OF.risk, field)
    end
  end
end

-- Writes everything that the call has changed. A script calls it last; after it, it only reads.
local function settle()
  announce_ended()
  for batch, jobs in pairs(saved) do
    count_risk(batch, jobs)
    local fields = {}
    for _, job in ipairs(jobs) do fields[#fields + 1], fields[#fields + 2] = job.n, fold(job) end
    in_parts('HSET', batch .. OF.jobs, fields)
  end
  for batch, given in pairs(leased) do in_parts('ZADD', batch .. OF.leases, given) end
  for batch, free in pairs(released) do in_parts('ZREM', batch .. OF.leases, free) end
  for batch, fields in pairs(tally) do
    local opened, closed, begun = false, false, false
    for field, by in pairs(fields) do
      if by ~= 0 then
        redis.call('HINCRBY', batch, field, by)
        if CHARTED[field] and (by > 0 or field == 'attempts') then -- fewer attempts: intents were withdrawn
          local charted = math.floor(now / 60000) .. ':' .. field
          if redis.call('HINCRBY', batch .. OF.minutes, charted, by) == by and by > 0 then begun = true end
        end
        if UNSETTLED[field] then
          if by > 0 then opened = true else closed = true end
        end
      end
    end
    if begun then fold_chart(batch) end
    if opened or closed then
      local left = redis.call('HMGET', batch, STATE.QUEUED, STATE.CLAIMED, STATE.SENDING, 'first')
      local unsettled = tonumber(left[1] or 0) + tonumber(left[2] or 0) + tonumber(left[3] or 0)
      if unsettled == 0 then
        redis.call('ZREM', KEY.active, batch_id(batch))
        redis.call('HSET', batch, 'settled_at', now)
        -- The others were cancelled. If there are no others, they may not have been submitted yet.
        if left[4] and last_number(batch) > tonumber(left[4]) then end_first(batch) end
        announce(HAPPENED.BATCH_SETTLED, batch)
      elseif opened then
        add_to_active(batch)
        redis.call('HDEL', batch, 'settled_at')
      end
    end
  end
end
