-- Restores the POSTs of a worker in a Redis that may have lost its last writes. Records that it has are unchanged.
-- A lost intent is written again: the job is in `sending`. A lost job is created again, with its number.
-- KEYS[1] the batch; then schema.Restore, and schema.Sent of each POST, those of one job in order; attempt 0 for a
-- job that was claimed and not sent: if it was lost, it is queued again
-- Returns schema.RestoreReply of each. Idempotent: a repeated call finds them known.
local batch = KEYS[1]
local reply, numbers = {}, {}

-- Returns the job; nil if its key belongs to another job by now, or its batch was deleted.
local function recreate(sent)
  local id, identity = batch_id(batch) .. '.' .. sent.number, identities_of(arg.owner, sent.credential)
  redis.call('HSETNX', identity, sent.key, id)
  if redis.call('HGET', identity, sent.key) ~= id then return nil end
  local job = unfold(batch, sent.number, '[1]')
  job.key, job.credential, job.fingerprint, job.at = sent.key, sent.credential, sent.fingerprint, now
  job.row, job.trace = sent.row or '', sent.trace
  loaded[batch][job.n] = job
  list_batch(batch, arg.owner)
  redis.call('HSETNX', batch, 'name', batch_id(batch))
  redis.call('HSET', batch .. OF.bodies, job.n, sent.body)
  redis.call('HSET', batch, 'last_number', math.max(last_number(batch), tonumber(job.n)))
  count(batch, 'accepted', 1)
  count(batch, STATE.QUEUED, 1)
  return job
end

-- Records the lost intent.
local function record_intent(job, sent)
  save(job)
  count(batch, 'attempts', 1)
  widen(job, 0, 1)
  if not UNSETTLED[job.state] then -- a person has ended it: the answer will be late
    job.posts[post(sent.token, sent.attempt)] = BELIEF.OPEN
    return
  end
  if job.state == STATE.SENDING then -- an earlier attempt, whose answer is lost too
    job.posts[post(job.token, job.attempts)] = BELIEF.OPEN
  else
    if job.state == STATE.QUEUED then move(job, EVENT.CLAIMED, REASON.CLAIMED) end
    move(job, EVENT.SENDING, REASON.SENDING)
  end
  redis.call('ZREM', batch .. OF.waiting, job.n)
  job.token, job.attempts, job.worker = sent.token, sent.attempt, arg.worker
  lease(job, now + arg.lease)
end

for sent in rows() do numbers[#numbers + 1] = sent.number end
load_all(batch, numbers)
for sent in rows() do
  local job, word = load(batch, sent.number), RESTORATION.KNOWN
  if not job.state then
    job, word = recreate(sent), RESTORATION.RESTORED
  elseif is_lost(job, sent.token, sent.attempt) then
    word = RESTORATION.TAKEN_UP
  end
  if not job or job.key ~= sent.key then
    word = RESTORATION.OTHER
  elseif sent.attempt == 0 then
    if word == RESTORATION.RESTORED then
      save(job)
      enqueue(job, 0, true)
    else
      word = RESTORATION.KNOWN
    end
  elseif word ~= RESTORATION.KNOWN and not job.posts[post(sent.token, sent.attempt)] then
    record_intent(job, sent)
  end
  give(reply, word)
end
settle()
return reply
