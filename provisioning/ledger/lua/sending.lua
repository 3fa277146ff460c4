-- The intent to POST, written before the first byte leaves. From here on a silence means doubt.
-- KEYS[1] the batch; ARGV[2] lease in ms; ARGV[3] target; then 4 a job: number, token, attempt, credential
-- Returns a list, 1 a job: 1 go; 0 the job is another's now; 2 held: it is queued again, attempts kept;
-- 3 go, to try whether a brake may come off; 4 it was called off.
-- Said twice (a lost reply), it answers 1 again.
local batch, time, target = KEYS[1], tonumber(ARGV[2]), ARGV[3]
local reply, numbers = {}, {}

-- A credential that 429s hold back for a moment: a worker that has not met them hears of it here.
local refused = {}
local function is_refused(credential)
  if refused[credential] == nil then
    local kept = redis.call('HGET', 'pv:learned', credential)
    refused[credential] = kept and cjson.decode(kept).since * 1000 > now or false
  end
  return refused[credential]
end

for i = 4, #ARGV, 4 do numbers[#numbers + 1] = ARGV[i] end
load_all(batch, numbers)
for i = 4, #ARGV, 4 do
  local n, token, attempt, credential = unpack(ARGV, i, i + 3)
  local job = load(batch, n)
  local answer = 0
  if job.token == tonumber(token) then
    -- Only the next attempt: a copy of an earlier intent that the network kept back means nothing now.
    if job.state == 'claimed' and tonumber(attempt) == job.attempts + 1 then
      local word, trial = held(batch, credential, target)
      if not word and is_refused(credential) then word = 'rate_limited' end
      if word then
        move(job, 'queued', word)
        release(job)
        enqueue(job, 0, true)
        answer = 2
      else
        move(job, 'sending', 'sending')
        job.attempts = job.attempts + 1
        count(batch, 'attempts', 1)
        widen(job, 0, 1)
        lease(job, now + time)
        for _, scope in ipairs(trial or {}) do spend_probe(scope, time) end
        answer = trial and 3 or 1
      end
      save(job)
    elseif job.state == 'sending' and job.attempts == tonumber(attempt) then
      answer = 1
    elseif job.state == 'cancelled' then
      answer = 4
    end
  end
  reply[#reply + 1] = answer
end
settle()
return reply
