-- Stands before every script of this folder. Each call is
--   KEYS[1]  the batch's key, `pv:{B}` (see provisioning/keys.py for all that hangs below it)
--   ARGV[1]  now in ms, or '' for the server's own clock (tests give a time)
--   ARGV[2…] as the script's head says; lists of jobs are flat, so many fields a job
-- A script loads jobs, changes the tables it gets and saves them; settle(), at its end, writes what was saved.

local function clock()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end
local now = clock()

local function batch_id(batch) return string.sub(batch, 5, -2) end -- pv:{B} → B

-- Counts are summed over the call.
local tally = {}
local function count(batch, field, by)
  local fields = tally[batch]
  if not fields then fields = {}; tally[batch] = fields end
  fields[field] = (fields[field] or 0) + by
end

-- Leases that began and ended in this call, by batch.
local leased, released = {}, {}

-- What the batch came to, minute by minute: arrivals in these states, and POSTs begun.
local CHARTED = { attempts = true, succeeded = true, dead = true, in_doubt = true, cancelled = true }

-- Folds, once an hour, what is older than a day into hours and what is older than a month into days, whole ones
-- only: `MINUTE/LENGTH:STATE`. A batch that is open for a year would chart half a million minutes otherwise.
local DAY, MONTH = 1440, 31 * 1440
local function fold_chart(batch)
  local chart, minute = batch .. ':minutes', math.floor(now / 60000)
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

local UNSETTLED = { queued = true, claimed = true, sending = true }

local REASON = { -- of a state, if it is not said
  queued = 'accepted', claimed = 'claimed', sending = 'sending', succeeded = 'created', cancelled = 'cancelled',
}

-- A word that recurs is kept as a number: up to 100 its place in this list, which only ever grows; above that the
-- number that `pv:{B}:words` has for it, `=WORD` → number and number → WORD. When that is full, as it is.
local WORDS = {
  'queued', 'claimed', 'sending', 'succeeded', 'dead', 'in_doubt', 'cancelled', -- states
  'created', 'rejected', 'denied', 'misdirected', 'unprocessed', 'failed', -- and outcomes
  'nothing_sent', 'sent', 'status_seen', 'answered', -- and evidence
}
local FULL = 1000
local numbers, words = {}, {}
for number, word in ipairs(WORDS) do numbers[word] = number end

local function number_of(batch, word)
  local number = numbers[word] or numbers[batch .. word]
  if number or word == '' then return number or '' end
  local known = batch .. ':words'
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
    word = redis.call('HGET', batch .. ':words', number)
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

-- How a job is kept: `pv:{B}:jobs` N → lines: a JSON array; the result, or nothing; those of its story.
-- provisioning/ledger/kept.py reads the same; who changes it counts FORMAT up.
--   calloff  token under which the job was being sent when a person called it off
--   posts    `T:N` → what is believed of attempt N under token T, which left `sending` without an answer:
--            `open` it may have made a widget; `found`, `absent` a person's word on it; `answered` it has
--            come and is booked (docs/decisions/0003-late-answers.md)
-- Where there is none, a job without a state.
local function unfold(batch, n, value)
  if not value then return { batch = batch, n = n } end
  local array_ends = string.find(value, '\n', 1, true) or #value + 1
  local result_ends = string.find(value, '\n', array_ends + 1, true) or #value + 1
  local kept = cjson.decode(string.sub(value, 1, array_ends - 1))
  local state, reason, posts = WORDS[kept[1]], kept[11] or '', kept[17] or ''
  return {
    batch = batch, n = n, state = state, key = kept[2], cred = word_of(batch, kept[3]), fp = kept[4],
    row = kept[5], at = kept[6], token = kept[7] or 0, attempts = kept[8] or 0, least = kept[9] or 0,
    most = kept[10] or 0, reason = reason == '' and REASON[state] or word_of(batch, reason),
    worker = word_of(batch, kept[12] or ''), drives = kept[13] or 0, label = kept[14] or '',
    trace = kept[15] or '', calloff = kept[16] or 0, posts = posts == '' and {} or posts,
    newer = kept[18] and kept, result = string.sub(value, array_ends + 1, result_ends - 1),
    story = string.sub(value, result_ends),
  }
end

local function fold(job)
  local batch = job.batch
  local kept = {
    numbers[job.state], job.key, number_of(batch, job.cred), job.fp, job.row, job.at, job.token, job.attempts,
    job.least, job.most, job.reason == REASON[job.state] and '' or number_of(batch, job.reason),
    number_of(batch, job.worker), job.drives, job.label, job.trace, job.calloff,
    next(job.posts) and job.posts or '',
  }
  for i = 18, job.newer and #job.newer or 0 do kept[i] = job.newer[i] end -- what a newer version keeps
  local below = job.result .. job.story
  return array(kept, 0) .. (below ~= '' and '\n' .. below or '')
end

-- The jobs of this call, by batch and number, and those that settle() is to write.
local loaded, saved = {}, {}

local function load_all(batch, numbers)
  local mine = loaded[batch] or {}
  loaded[batch] = mine
  if #numbers == 0 then return end
  for i, value in ipairs(redis.call('HMGET', batch .. ':jobs', unpack(numbers))) do
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

-- A line of the job's story, oldest first.
local function tell(job, line) job.story = job.story .. '\n' .. line end

-- A move that is no attempt.
local function tell_move(job, name, who, facts)
  local line = facts or {}
  line.move, line.at, line.by = name, now / 1000, who
  tell(job, cjson.encode(line))
end

local function ms(seconds) return math.floor(seconds * 1000 + 0.5) end

-- An attempt, told with the members of provisioning.attempt.Attempt and kept as an array, times in ms.
local function tell_attempt(job, a)
  local batch = job.batch
  tell(job, array({
    a.n, ms(a.at), ms(a.seconds), numbers[a.outcome], numbers[a.evidence], a.status or '',
    number_of(batch, a.worker or ''), number_of(batch, a.error or ''), number_of(batch, a.message or ''),
    a.next_delay and ms(a.next_delay) or '', a.late and 1 or '', a.token or '',
  }))
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
local function move(job, to, reason)
  local batch, n = job.batch, job.n
  count(batch, job.state, -1)
  count(batch, to, 1)
  if BLAMED[job.state] then absolve(batch, n, job.state, job.reason) end
  if BLAMED[to] then blame(batch, n, to, reason) end
  job.state, job.reason, job.at = to, reason, now
end

-- Adds to a job's effect bounds and its batch's.
local function widen(job, least, most)
  job.least, job.most = job.least + least, job.most + most
  count(job.batch, 'least', least)
  count(job.batch, 'most', most)
end

-- Puts a queued job where claims find it: at the front or back of its credential's list, or waiting until `due`.
local function enqueue(job, due, front)
  local batch = job.batch
  if due > now then
    redis.call('ZADD', batch .. ':waiting', due, job.n)
  else
    redis.call(front and 'LPUSH' or 'RPUSH', batch .. ':ready:' .. job.cred, job.n)
    redis.call('SADD', batch .. ':credentials', job.cred)
  end
end

-- Somebody's until then.
local function lease(job, ends)
  local given = leased[job.batch] or {}
  leased[job.batch] = given
  given[#given + 1], given[#given + 2] = ends, job.n
end

-- Nobody's any more: the lease ends and the worker's name is taken off.
local function release(job)
  local free = released[job.batch] or {}
  released[job.batch] = free
  free[#free + 1] = job.n
  job.worker = ''
end

-- The name of a POST among what is believed of a job's.
local function post(token, attempt) return token .. ':' .. attempt end

-- A brake waits for a person. On a person's word one job is let through it, the probe: `pv:brake:SCOPE` holds
-- `next`, ms when it may go, or when another may because the first was never heard of again.
-- A former version had brakes that tried by themselves (`top` 100), for outages; workers see to those now, without
-- the ledger, and such a brake is taken off.
local function probes(scope)
  local brake = redis.call('HMGET', 'pv:brake:' .. scope, 'next', 'top')
  if brake[2] == '100' then
    redis.call('DEL', 'pv:brake:' .. scope)
    redis.call('HDEL', 'pv:holds', scope)
    return nil
  end
  return brake[1] and tonumber(brake[1]) <= now and 1 or 0
end

local function spend_probe(scope, lease) redis.call('HSET', 'pv:brake:' .. scope, 'next', now + lease) end

-- What keeps a job of this batch, credential and target from being sent.
-- Returns the word for the job's reason, nil if nothing does; and, where a brake lets a probe through, the
-- scopes of that.
local free = {} -- credentials that nothing holds: nobody else speaks while we do
local function held(batch, credential, target)
  if free[credential] then return nil end
  local scopes = { 'all', 'batch:' .. batch_id(batch), 'credential:' .. credential, 'target:' .. target }
  local holds = redis.call('HMGET', 'pv:holds', unpack(scopes))
  if holds[1] or holds[2] then return 'paused' end
  local trial = nil
  for i = 3, 4 do
    local left = holds[i] and probes(scopes[i])
    if left == 0 then return 'braked' end
    if left then
      trial = trial or {}
      trial[#trial + 1] = scopes[i]
    end
  end
  free[credential] = not trial
  return nil, trial
end

-- Queues a job that had ended again: fresh attempts, history and bounds kept. `why` is the word of a person who
-- accepts that it may make a second widget; '' where it cannot.
local function redrive(job, who, why)
  tell_move(job, 'redriven', who, { was = job.reason, why = why ~= '' and why or nil })
  job.attempts, job.drives = 0, job.drives + 1
  move(job, 'queued', 'redriven')
  enqueue(job, 0, false)
end

local SOME = 2000 -- Lua passes some thousand arguments at most; even, for values that come in pairs

local function in_parts(command, key, values)
  for first = 1, #values, SOME do
    redis.call(command, key, unpack(values, first, math.min(first + SOME - 1, #values)))
  end
end

-- Writes what the call has come to; the last thing that a script does before it looks at what is left.
local function settle()
  for batch, jobs in pairs(saved) do
    local fields = {}
    for _, job in ipairs(jobs) do fields[#fields + 1], fields[#fields + 2] = job.n, fold(job) end
    in_parts('HSET', batch .. ':jobs', fields)
  end
  for batch, given in pairs(leased) do in_parts('ZADD', batch .. ':leases', given) end
  for batch, free in pairs(released) do in_parts('ZREM', batch .. ':leases', free) end
  for batch, fields in pairs(tally) do
    local opened, closed, begun = false, false, false
    for field, by in pairs(fields) do
      if by ~= 0 then
        redis.call('HINCRBY', batch, field, by)
        if by > 0 and CHARTED[field] then
          local charted = math.floor(now / 60000) .. ':' .. field
          if redis.call('HINCRBY', batch .. ':minutes', charted, by) == by then begun = true end
        end
        if UNSETTLED[field] then
          if by > 0 then opened = true else closed = true end
        end
      end
    end
    if begun then fold_chart(batch) end
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
