-- Deletes data past its retention in a range of the jobs of a batch.
-- KEYS[1] the batch; then schema.Reap: `what` is a schema.Sweep; `sweep` identifies this pass over the batch, or,
-- for `batches`, is its settled_at (ms) as the caller read it; jobs that ended after `ended_by` lose nothing; with
-- `count_from` nothing is changed, only counted from that number
-- Returns {jobs, done}: how many jobs lost data; done 1 if there is nothing left to look at. A whole batch is
-- deleted only if it settled at that time and has no job in doubt; it may have been opened again meanwhile. A job
-- in doubt loses nothing. The fields `reaped:CLASS` have the progress of a pass: `SWEEP:LAST:LEFT`, LEFT 1 if a
-- job may be due later; `SETTLED_AT:LAST` for a settled batch without such a job. Concurrent calls only repeat the
-- same work.
local batch, class, sweep, most, cutoff = KEYS[1], arg.what, arg.sweep, arg.most, arg.ended_by
local only_count = arg.count_from ~= false
local at = redis.call('HMGET', batch, 'settled_at', STATE.IN_DOUBT, 'reaped:' .. class, 'name')
if class == SWEEP.BATCHES and (at[1] ~= sweep or tonumber(at[2] or 0) > 0) then return { 0, 1 } end

local sweep_then, last, left = string.match(at[3] or '', '^([^:]*):(%d+):?(%d*)$')
local first, later = 1, false
if only_count then
  first = arg.count_from
elseif sweep_then == sweep then
  first, later = tonumber(last) + 1, left == '1'
end
local last_job = last_number(batch)
local stop = math.min(first + most - 1, last_job)
local jobs = 0

local single, owner = redis.call('HEXISTS', batch, 'urgent') == 1, owner_of(batch)
-- The identity of a job that has a widget, or may have one, is kept: no second widget for a tenant.
local function bury(n, job)
  local identity = identities_of(owner, job.credential)
  if job.state == STATE.SUCCEEDED or job.most > 0 then
    redis.call('HSET', identity, job.key, batch_id(batch) .. '.' .. n .. '=' .. job.state)
  else
    redis.call('HDEL', identity, job.key)
  end
  redis.call('HDEL', batch .. OF.jobs, n)
  if single then drop_webhook(batch_id(batch) .. '.' .. n) end
end

-- Deletes its widget and its history. Returns 1 if there was anything.
local function forget(job)
  local had = job.result .. job.history ~= ''
  if had and not only_count then
    job.result, job.history = '', ''
    save(job)
  end
  return had and 1 or 0
end

local function drop(hash, n)
  return redis.call(only_count and 'HEXISTS' or 'HDEL', batch .. hash, n)
end

local ENDS = {
  [SWEEP.PAYLOADS] = { [STATE.SUCCEEDED] = true },
  [SWEEP.RESULTS] = { [STATE.SUCCEEDED] = true },
  [SWEEP.DEAD] = { [STATE.DEAD] = true, [STATE.CANCELLED] = true },
}

local function let_go(n)
  local job = load(batch, n)
  if not job.state then return end
  if class == SWEEP.BATCHES then
    if not only_count then bury(n, job) end
    jobs = jobs + 1
    return
  end
  if UNSETTLED[job.state] or job.state == STATE.IN_DOUBT then later = true end
  if not ENDS[class][job.state] then return end
  if job.at > cutoff then
    later = true
    return
  end
  local gone = 0
  if class ~= SWEEP.RESULTS then gone = drop(OF.bodies, n) end
  if class == SWEEP.RESULTS then gone = drop(OF.late, n) end
  if class ~= SWEEP.PAYLOADS then gone = gone + forget(job) end
  if class == SWEEP.DEAD and gone > 0 and not only_count and job.fingerprint ~= '' then
    job.fingerprint = '' -- if it is submitted again, the body comes with it
    save(job)
  end
  if gone > 0 then jobs = jobs + 1 end
end

if only_count then
  for n = first, stop do let_go(n) end
  return { jobs, stop < last_job and 0 or 1 }
end
local name = at[4] and owned_name(owner, at[4])
if class == SWEEP.BATCHES and name and redis.call('HGET', KEY.names, name) == batch_id(batch) then
  redis.call('HDEL', KEY.names, name) -- the name is free
end
for n = first, stop do let_go(n) end
settle()
local so_far = sweep .. ':' .. stop .. (later and ':1' or ':0')
if stop >= last_job and at[1] and not later then so_far = at[1] .. ':' .. stop end
redis.call('HSET', batch, 'reaped:' .. class, so_far)
if stop < last_job then return { jobs, 0 } end
if class == SWEEP.BATCHES then
  for _, credential in ipairs(redis.call('SMEMBERS', batch .. OF.credentials)) do
    redis.call('DEL', batch .. OF.ready .. credential)
  end
  redis.call('UNLINK', batch, batch .. OF.badly .. STATE.DEAD, batch .. OF.badly .. STATE.IN_DOUBT)
  for _, ending in ipairs(endings()) do redis.call('UNLINK', batch .. ending) end
  redis.call('ZREM', KEY.batches, batch_id(batch))
  redis.call('HDEL', KEY.holds, SCOPE.batch .. batch_id(batch))
  drop_webhook(batch_id(batch))
end
return { jobs, 1 }
