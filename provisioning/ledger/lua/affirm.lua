-- What a worker has sent, told to a Redis that may have lost its last writes: what it knows stays as it is. A POST
-- whose intent it has lost is under way again, and a job that it has lost is there again, under its number.
-- KEYS[1] the batch; then schema.Affirm, and schema.Sent of each POST, those of one job in their order; attempt 0
-- of a job that was claimed and not sent yet: it is queued again if it was lost
-- Returns schema.Affirmed of each. Said twice, it finds them known.
local batch = KEYS[1]
local reply, numbers = {}, {}

-- Returns the job; nil if its key has another one by now, or a person had it forgotten.
local function restore(sent)
  local id, identity = batch_id(batch) .. '.' .. sent.number, identities_of(arg.owner, sent.credential)
  redis.call('HSETNX', identity, sent.key, id)
  if redis.call('HGET', identity, sent.key) ~= id then return nil end
  local job = unfold(batch, sent.number, '[1]')
  job.key, job.credential, job.fingerprint, job.at = sent.key, sent.credential, sent.fingerprint, now
  job.row, job.trace = sent.row or '', sent.trace
  loaded[batch][job.n] = job
  list_batch(batch)
  if arg.owner ~= '' then redis.call('HSETNX', batch, 'owner', arg.owner) end
  redis.call('HSETNX', batch, 'name', batch_id(batch))
  redis.call('HSET', batch .. OF.bodies, job.n, sent.body)
  redis.call('HSET', batch, 'last_number', math.max(last_number(batch), tonumber(job.n)))
  count(batch, 'accepted', 1)
  count(batch, STATE.QUEUED, 1)
  return job
end

-- Takes the intent down after all.
local function take_up(job, sent)
  save(job)
  count(batch, 'attempts', 1)
  widen(job, 0, 1)
  if not UNSETTLED[job.state] then -- at its end, by a person's word: the answer will be late
    job.posts[post(sent.token, sent.attempt)] = BELIEF.OPEN
    return
  end
  if job.state == STATE.SENDING then -- an earlier one, whose answer is lost too
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
  local job, word = load(batch, sent.number), AFFIRMATION.KNOWN
  if not job.state then
    job, word = restore(sent), AFFIRMATION.RESTORED
  elseif is_lost(job, sent.token, sent.attempt) then
    word = AFFIRMATION.TAKEN_UP
  end
  if not job or job.key ~= sent.key then
    word = AFFIRMATION.OTHER
  elseif sent.attempt == 0 then
    if word == AFFIRMATION.RESTORED then
      save(job)
      enqueue(job, 0, true)
    else
      word = AFFIRMATION.KNOWN
    end
  elseif word ~= AFFIRMATION.KNOWN and not job.posts[post(sent.token, sent.attempt)] then
    take_up(job, sent)
  end
  give(reply, word)
end
settle()
return reply
