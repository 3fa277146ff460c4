-- Records handed-over jobs before their submitter hears yes; one identity, one job, for good.
-- KEYS[1] the batch; ARGV[2] who hands over; ARGV[3] why a second widget is accepted of jobs that had ended,
-- '' if it is not; ARGV[4] 'leave' where jobs that had ended stay as they are, or ''; ARGV[5] 'dry' to change
-- nothing, or ''; ARGV[6] '' or a JSON object: which job, from 1, may be known by which other spellings of its
-- key; then 7 a job: key, credential, row, label, fingerprint, traceparent or '', body ('' if dry)
-- Returns a flat list, 2 a job: verdict (provisioning.job.Verdict), job id. The verdict is `elsewhere` for a job of
-- another batch whose body would be written and is sealed with the key of this one: nothing was done, its body is to
-- be sealed for the batch that the id names.
-- A job that is known keeps its id, its batch and its history, whichever batch it is handed over with.
local batch, who, why, leave, dry = KEYS[1], ARGV[2], ARGV[3], ARGV[4] == 'leave', ARGV[5] == 'dry'
local FIRST, WIDTH = 7, 7
local reply = {}

-- Whoever found this batch by its name may come just after another took it back as empty: it is open again.
local function list_batch()
  if redis.call('HSETNX', batch, 'opened_at', now) == 1 then
    redis.call('ZADD', 'pv:batches', 'NX', now, batch_id(batch))
  end
end

-- The job that an identity has, by credential and key; each credential's are asked for in one go. `new` has the
-- fingerprints of those that come for the first time.
local known, asked, new = {}, {}, {}
for i = FIRST, #ARGV, WIDTH do
  local key, credential = ARGV[i], ARGV[i + 1]
  if not asked[credential] then known[credential], asked[credential], new[credential] = {}, {}, {} end
  table.insert(asked[credential], key)
end
for credential, keys in pairs(asked) do
  for i, id in ipairs(redis.call('HMGET', 'pv:identity:' .. credential, unpack(keys))) do
    known[credential][keys[i]] = id
  end
end

-- A former version kept keys as they were spelled, and its jobs keep theirs.
for which, spellings in pairs(ARGV[6] ~= '' and cjson.decode(ARGV[6]) or {}) do
  local i = FIRST + (tonumber(which) - 1) * WIDTH
  local key, credential = ARGV[i], ARGV[i + 1]
  for _, id in ipairs(redis.call('HMGET', 'pv:identity:' .. credential, unpack(spellings))) do
    known[credential][key] = known[credential][key] or id
  end
end

-- What is new is written at the end, all jobs in one go.
local accepted = tonumber(redis.call('HGET', batch, 'accepted') or 0)
local first = accepted + 1
local jobs, bodies, ready, identities = {}, {}, {}, {}
-- Jobs that come one at a time have no batch that would say when each came, and from whom: their stories do.
local urgent = redis.call('HEXISTS', batch, 'urgent') == 1

local function append(list, ...)
  for _, value in ipairs({ ... }) do list[#list + 1] = value end
end

local function create(key, credential, row, label, fp, trace, body)
  accepted = accepted + 1
  local job = unfold(batch, accepted, '[1,"","","","",0]')
  job.key, job.cred, job.fp, job.row, job.at = key, credential, fp, tonumber(row) or '', now
  job.label, job.trace = label, trace
  if urgent then tell_move(job, 'accepted', who) end
  if not ready[credential] then ready[credential], identities[credential] = {}, {} end
  local id = batch_id(batch) .. '.' .. accepted
  append(jobs, accepted, fold(job))
  append(bodies, accepted, body)
  append(ready[credential], accepted)
  append(identities[credential], key, id)
  known[credential][key] = id
  return id
end

local function write()
  if accepted < first then return end
  list_batch()
  count(batch, 'accepted', accepted - first + 1)
  count(batch, 'queued', accepted - first + 1)
  redis.call('HSET', batch .. ':jobs', unpack(jobs))
  redis.call('HSET', batch .. ':bodies', unpack(bodies))
  for credential, numbers in pairs(ready) do
    redis.call('RPUSH', batch .. ':ready:' .. credential, unpack(numbers))
    redis.call('SADD', batch .. ':credentials', credential)
    redis.call('HSET', 'pv:identity:' .. credential, unpack(identities[credential]))
  end
end

-- What becomes of a known job that is handed over with this fingerprint.
local function judge(job, buried, fp)
  local state, same = job.state, job.fp == fp
  if buried == 'succeeded' then
    return 'succeeded' -- its batch is past its retention, what it was made of is not known any more
  elseif not state or state == 'in_doubt' then
    return 'in_doubt' -- also if its record is gone: its widget may exist all the same
  elseif state == 'succeeded' then
    return same and 'succeeded' or 'changed'
  elseif state == 'dead' and same then
    return 'dead'
  elseif state == 'dead' or state == 'cancelled' then
    if job.most > 0 and why == '' then return 'risky' end
    return leave and 'ended' or 'redriven'
  elseif same then
    return 'queued'
  end
  -- What was sent, or is about to be, with another body is not what is asked for now.
  return state == 'queued' and job.attempts == 0 and job.most == 0 and 'replaced' or 'changed'
end

for i = FIRST, #ARGV, WIDTH do
  local key, credential, row, label, fp, trace, body = unpack(ARGV, i, i + WIDTH - 1)
  local id = known[credential][key]
  local verdict
  if not id then
    verdict = 'new'
    if dry then
      id, known[credential][key] = '', ''
    else
      id = create(key, credential, row, label, fp, trace, body)
    end
    new[credential][key] = fp
  elseif new[credential][key] then
    verdict = new[credential][key] == fp and 'queued' or 'changed' -- by an earlier one of this call
  else
    local b, n, buried = string.match(id, '^(.*)%.(%d+)=?([a-z]*)$')
    id = b .. '.' .. n
    local home = 'pv:{' .. b .. '}'
    local job = load(home, n)
    verdict = judge(job, buried, fp)
    local written = not dry and (verdict == 'redriven' or verdict == 'replaced')
    local sealed_for = string.match(body, '^pv1:([^:+]*)') -- sealing.py
    if written and sealed_for and sealed_for ~= b then
      verdict = 'elsewhere'
    elseif written then
      redis.call('HSET', home .. ':bodies', n, body)
      job.fp = fp
      if verdict == 'redriven' then
        redrive(job, who, job.most > 0 and why or '')
      else
        tell_move(job, 'replaced', who)
        job.row, job.label, job.trace = tonumber(row) or '', label, trace
      end
      save(job)
    end
  end
  reply[#reply + 1] = verdict
  reply[#reply + 1] = id
end
if not dry then
  write()
  settle()
end
return reply
