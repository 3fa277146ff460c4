-- Records submitted jobs before their submitter gets a positive answer; one job per identity, permanently.
-- KEYS[1] the batch; then schema.Accept, and schema.HandedOver of each job, if dry only identity and fingerprint
-- Returns schema.Judged of each. The verdict is ELSEWHERE if the job is in another batch and its body would be
-- written, but is encrypted with the key of this batch: nothing was done; encrypt it for the batch of the returned
-- id. A known job of this owner keeps its id, batch and history, whichever batch it is submitted with.
local batch, dry = KEYS[1], arg.dry
local open = not dry and redis.call('HEXISTS', batch, 'opened_at') == 1
local owner = open and owner_of(batch) or arg.owner -- it may have gone since its submitter found it
local refusal = not dry and unsettled_primary()
if refusal then return refusal end
local reply = {}

-- The known job of each identity, by credential and key, read in one call per credential. `new` has the
-- fingerprints of the identities that are new.
local known, asked, new = {}, {}, {}
for job in rows() do
  local credential = job.credential
  if not asked[credential] then known[credential], asked[credential], new[credential] = {}, {}, {} end
  table.insert(asked[credential], job.key)
end
for credential, keys in pairs(asked) do
  for i, id in ipairs(redis.call('HMGET', identities_of(owner, credential), unpack(keys))) do
    known[credential][keys[i]] = id
  end
end

-- An earlier version stored keys as they were spelled; its jobs keep their keys.
if arg.spellings then
  local which = 0
  for job in rows() do
    which = which + 1
    local spellings = arg.spellings[tostring(which)]
    if spellings then
      local mine = known[job.credential]
      for _, id in ipairs(redis.call('HMGET', identities_of(owner, job.credential), unpack(spellings))) do
        mine[job.key] = mine[job.key] or id
      end
    end
  end
end

-- New jobs are written at the end, all together.
local last = last_number(batch)
local first = last + 1
local jobs, bodies, ready, identities = {}, {}, {}, {}
-- For single jobs the batch does not show when each was submitted and by whom, so their histories do.
local urgent = redis.call('HEXISTS', batch, 'urgent') == 1

local function append(list, ...)
  for _, value in ipairs({ ... }) do list[#list + 1] = value end
end

local function create(handed)
  last = last + 1
  local key, credential = handed.key, handed.credential
  local job = unfold(batch, last, '[1]')
  job.key, job.credential, job.fingerprint, job.at = key, credential, handed.fingerprint, now
  job.row, job.label, job.trace = handed.row or '', handed.label, handed.trace
  if urgent then append_transition(job, MOVE.ACCEPTED, arg.who) end
  if not ready[credential] then ready[credential], identities[credential] = {}, {} end
  local id = batch_id(batch) .. '.' .. last
  append(jobs, last, fold(job))
  append(bodies, last, handed.body)
  append(ready[credential], last)
  append(identities[credential], key, id)
  known[credential][key] = id
  return id
end

local function write()
  if last < first then return end
  list_batch(batch, owner, arg.first)
  if redis.call('HEXISTS', batch, 'last_number') == 1 then redis.call('HSET', batch, 'last_number', last) end
  count(batch, 'accepted', last - first + 1)
  count(batch, STATE.QUEUED, last - first + 1)
  redis.call('HSET', batch .. OF.jobs, unpack(jobs))
  redis.call('HSET', batch .. OF.bodies, unpack(bodies))
  for credential, numbers in pairs(ready) do
    redis.call('RPUSH', batch .. OF.ready .. credential, unpack(numbers))
    add_credential(batch, credential)
    redis.call('HSET', identities_of(owner, credential), unpack(identities[credential]))
  end
end

-- The verdict on a known job that is submitted with this fingerprint.
local function judge(job, buried, fingerprint)
  local state, same = job.state, job.fingerprint == fingerprint
  if buried == STATE.SUCCEEDED then
    return VERDICT.SUCCEEDED -- its batch was deleted, so its fingerprint is not known any more
  elseif not state or state == STATE.IN_DOUBT then
    return VERDICT.IN_DOUBT -- also if its record was deleted: its widget may exist
  elseif state == STATE.SUCCEEDED then
    return same and VERDICT.SUCCEEDED or VERDICT.CHANGED
  elseif state == STATE.DEAD and same then
    return VERDICT.DEAD
  elseif state == STATE.DEAD or state == STATE.CANCELLED then
    if job.most > 0 and arg.because == '' then return VERDICT.RISKY end
    local stays = arg.leave_ended or (arg.ended_before and job.at >= arg.ended_before)
    return stays and VERDICT.ENDED or VERDICT.REDRIVEN
  elseif same then
    return VERDICT.QUEUED
  end
  -- Another body replaces the stored one only if the job was never attempted.
  local untouched = state == STATE.QUEUED and job.attempts == 0 and job.most == 0
  return untouched and VERDICT.REPLACED or VERDICT.CHANGED
end

-- Applies a submission to a known job.
local function apply_submission(job, verdict, handed)
  redis.call('HSET', job.batch .. OF.bodies, job.n, handed.body)
  job.fingerprint = handed.fingerprint
  if verdict == VERDICT.REDRIVEN then
    redrive(job, arg.who, job.most > 0 and arg.because or '')
  else
    append_transition(job, MOVE.REPLACED, arg.who)
    job.row, job.label, job.trace = handed.row or '', handed.label, handed.trace
  end
  save(job)
end

for handed in rows() do
  local key, credential, fingerprint = handed.key, handed.credential, handed.fingerprint
  local id = known[credential][key]
  local verdict
  if not id then
    verdict = VERDICT.NEW
    if dry then
      id, known[credential][key] = '', ''
    else
      id = create(handed)
    end
    new[credential][key] = fingerprint
  elseif new[credential][key] then -- by an earlier one of this call
    verdict = new[credential][key] == fingerprint and VERDICT.QUEUED or VERDICT.CHANGED
  else
    local home, n, buried = string.match(id, '^(.*)%.(%d+)=?([a-z]*)$')
    id = home .. '.' .. n
    local job = load(batch_key(home), n)
    verdict = judge(job, buried, fingerprint)
    if not dry and (verdict == VERDICT.REDRIVEN or verdict == VERDICT.REPLACED) then
      local sealed_for = string.match(handed.body, '^pv1:([^:+]*)') -- encryption.py
      if sealed_for and sealed_for ~= home then
        verdict = ELSEWHERE
      else
        apply_submission(job, verdict, handed)
      end
    end
  end
  give(reply, verdict, id)
end
if not dry then
  write()
  settle()
end
return reply
