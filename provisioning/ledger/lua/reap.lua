-- Lets go of what is past its retention in a stretch of a settled batch.
-- KEYS[1] the batch; ARGV[2] `payloads`, `results`, `dead` or `batches`; ARGV[3] ms when the batch settled, as the
-- caller read it; ARGV[4] most jobs to look at
-- Returns {jobs, done}: of how many jobs something was let go of; done 1 if there is nothing left to look at.
-- Nothing is done if the batch has not settled, or did so at another time: it was opened again meanwhile. A job
-- that is in doubt loses nothing, and a batch with one is kept. How far it was stands in the batch's
-- `reaped:CLASS` fields; two who do this at once do it twice, which is harmless.
local batch, class, settled, most = KEYS[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local at = redis.call('HMGET', batch, 'settled_at', 'accepted', 'in_doubt', 'reaped:' .. class, 'name')
if at[1] ~= settled then return { 0, 1 } end
if class == 'batches' and tonumber(at[3] or 0) > 0 then return { 0, 1 } end

-- `settled_at:last number`: what was done before it was opened again does not count.
local settled_then, last = string.match(at[4] or '', '^(%d+):(%d+)$')
local first = settled_then == settled and tonumber(last) + 1 or 1
local accepted = tonumber(at[2] or 0)
local stop = math.min(first + most - 1, accepted)
local jobs = 0

-- Who has a widget, or may have one, stays known when the record is gone: the tenant is never created twice.
local function bury(n, job)
  local identity = 'pv:identity:' .. job.cred
  if job.state == 'succeeded' or job.most > 0 then
    redis.call('HSET', identity, job.key, batch_id(batch) .. '.' .. n .. '=' .. job.state)
  else
    redis.call('HDEL', identity, job.key)
  end
  redis.call('HDEL', batch .. ':jobs', n)
end

-- Its result and its story go. Returns 1 if there was anything.
local function forget(job)
  local had = job.result .. job.story ~= ''
  job.result, job.story = '', ''
  save(job)
  return had and 1 or 0
end

local function let_go(n)
  local bodies, gone = batch .. ':bodies', 0
  local job = load(batch, n)
  if class == 'payloads' and job.state == 'succeeded' then
    gone = redis.call('HDEL', bodies, n)
  elseif class == 'results' and job.state == 'succeeded' then
    gone = redis.call('HDEL', batch .. ':late', n) + forget(job)
  elseif class == 'dead' and (job.state == 'dead' or job.state == 'cancelled') then
    job.fp = '' -- whoever hands it over again brings its body
    gone = redis.call('HDEL', bodies, n) + forget(job)
  elseif class == 'batches' and job.state then
    bury(n, job)
    gone = 1
  end
  if gone > 0 then jobs = jobs + 1 end
end

if class == 'batches' and at[5] then redis.call('HDEL', 'pv:names', at[5]) end -- nobody goes on with it
for n = first, stop do let_go(n) end
settle()
redis.call('HSET', batch, 'reaped:' .. class, settled .. ':' .. stop)
if stop < accepted then return { jobs, 0 } end
if class == 'batches' then
  for _, credential in ipairs(redis.call('SMEMBERS', batch .. ':credentials')) do
    redis.call('DEL', batch .. ':ready:' .. credential)
  end
  redis.call('UNLINK', batch, batch .. ':jobs', batch .. ':words', batch .. ':bodies',
    batch .. ':late', batch .. ':credentials', batch .. ':waiting', batch .. ':leases', batch .. ':dead',
    batch .. ':in_doubt', batch .. ':causes', batch .. ':minutes', batch .. ':events')
  redis.call('ZREM', 'pv:batches', batch_id(batch))
  redis.call('HDEL', 'pv:holds', 'batch:' .. batch_id(batch))
end
return { jobs, 1 }
