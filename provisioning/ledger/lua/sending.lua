-- Records intents before the first byte is sent. If no answer is recorded after this, the job is in doubt.
-- KEYS[1] the batch; then schema.Send, and schema.Intent of each job
-- Returns schema.Grant of each. A held job keeps its attempts. Idempotent: a repeated call replies GO again.
local batch = KEYS[1]
local reply, numbers = {}, {}

-- The credential is held for a moment after 429 answers, which other workers may have received.
local refused = {}
local function is_refused(credential)
  if refused[credential] == nil then
    local kept = redis.call('HGET', KEY.learned, credential)
    refused[credential] = kept and cjson.decode(kept).since * 1000 > now or false
  end
  return refused[credential]
end

-- Starts the attempt of a claimed job, or queues it again if a hold applies. Returns GO, and the reason if held.
local function grant(job, credential)
  local kept_back, let_through = held(batch, credential, arg.target)
  if not kept_back and is_refused(credential) then kept_back = REASON.RATE_LIMITED end
  save(job)
  if kept_back then
    move(job, EVENT.DEFERRED, kept_back)
    release(job)
    enqueue(job, 0, true)
    return GO.HELD, kept_back
  end
  move(job, EVENT.SENDING, REASON.SENDING)
  job.attempts = job.attempts + 1
  count(batch, 'attempts', 1)
  widen(job, 0, 1)
  lease(job, now + arg.lease)
  for _, scope in ipairs(let_through or {}) do spend_probe(scope, arg.lease) end
  return let_through and GO.PROBE or GO.GO
end

for intent in rows() do numbers[#numbers + 1] = intent.number end
load_all(batch, numbers)
for intent in rows() do
  local job = load(batch, intent.number)
  local word, reason = GO.LOST, ''
  if job.token == intent.token then
    -- Only the next attempt: a delayed copy of an earlier intent is ignored.
    if job.state == STATE.CLAIMED and intent.attempt == job.attempts + 1 then
      word, reason = grant(job, intent.credential)
    elseif job.state == STATE.SENDING and job.attempts == intent.attempt then
      word = GO.GO
    elseif job.state == STATE.CANCELLED then
      word = GO.CANCELLED
    end
  end
  give(reply, word, reason or '')
end
settle()
return reply
