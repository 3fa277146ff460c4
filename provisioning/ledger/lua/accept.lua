-- Records handed-over jobs before their submitter hears yes; one identity, one job, for good.
-- KEYS[1] the batch; ARGV[2] who hands over; ARGV[3] why a second widget is accepted of jobs that had ended, '' if
-- it is not; then 7 a job: key, credential, row, label, fingerprint, traceparent or '', body
-- Returns a flat list, 2 a job: verdict (provisioning.job.Verdict), job id.
-- A job that is known keeps its id, its batch and its history, whichever batch it is handed over with.
local who, why = ARGV[2], ARGV[3]
local reply = {}

-- Whoever found this batch by its name may come just after another took it back as empty: it is open again.
local function list_batch()
  if redis.call('HSETNX', KEYS[1], 'opened_at', now) == 1 then
    redis.call('ZADD', 'pv:batches', 'NX', now, batch_id(KEYS[1]))
  end
end

local function create(key, credential, row, label, fp, trace, body)
  local n = redis.call('HINCRBY', KEYS[1], 'accepted', 1)
  local job = unfold(KEYS[1], n, '[1,"","","","",0]')
  job.key, job.cred, job.fp, job.row, job.at = key, credential, fp, tonumber(row) or '', now
  job.label, job.trace = label, trace
  save(job)
  redis.call('HSET', KEYS[1] .. ':bodies', n, body)
  enqueue(job, 0, false)
  count(KEYS[1], 'queued', 1)
  local id = batch_id(KEYS[1]) .. '.' .. n
  redis.call('HSET', 'pv:identity:' .. credential, key, id)
  return id
end

for i = 4, #ARGV, 7 do
  local key, credential, row, label, fp, trace, body = unpack(ARGV, i, i + 6)
  local id = redis.call('HGET', 'pv:identity:' .. credential, key)
  local verdict
  if not id then
    list_batch()
    id = create(key, credential, row, label, fp, trace, body)
    verdict = 'new'
  else
    local b, n, buried = string.match(id, '^(.*)%.(%d+)=?([a-z]*)$')
    id = b .. '.' .. n
    local batch = 'pv:{' .. b .. '}'
    local job = load(batch, n)
    local state = job.state
    if buried == 'succeeded' then
      verdict = 'succeeded' -- its batch is past its retention, what it was made of is not known any more
    elseif state == 'dead' and job.fp == fp then
      verdict = 'dead'
    elseif (state == 'dead' or state == 'cancelled') and job.most > 0 and why == '' then
      verdict = 'risky'
    elseif state == 'dead' or state == 'cancelled' then
      redis.call('HSET', batch .. ':bodies', n, body)
      job.fp = fp
      redrive(job, who, job.most > 0 and why or '')
      save(job)
      verdict = 'redriven'
    elseif state == 'succeeded' then
      verdict = job.fp == fp and 'succeeded' or 'changed'
    elseif state == 'in_doubt' or not state then
      verdict = 'in_doubt' -- also if its record is gone: its widget may exist all the same
    else
      verdict = 'queued'
    end
  end
  reply[#reply + 1] = verdict
  reply[#reply + 1] = id
end
settle()
return reply
