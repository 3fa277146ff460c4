-- The intent to POST, written before the first byte leaves. From here on a silence means doubt.
-- KEYS[1] the batch; ARGV[2] lease in ms; ARGV[3] target; then 4 a job: number, token, attempt, credential
-- Returns a list, 1 a job: 1 go; 0 the job is another's now; 2 held: it is queued again, attempts kept;
-- 3 go, to try whether a brake may come off; 4 it was called off.
-- Said twice (a lost reply), it answers 1 again.
local batch, lease, target = KEYS[1], tonumber(ARGV[2]), ARGV[3]
local reply = {}
for i = 4, #ARGV, 4 do
  local n, token, attempt, credential = unpack(ARGV, i, i + 3)
  local key = job_key(batch, n)
  local job = redis.call('HMGET', key, 'state', 'token', 'attempts', 'reason')
  local answer = 0
  if job[2] == token then
    -- Only the next attempt: a copy of an earlier intent that the network kept back means nothing now.
    if job[1] == 'claimed' and tonumber(attempt) == tonumber(job[3] or 0) + 1 then
      local word, trial = held(batch, credential, target)
      if word then
        move(batch, n, 'claimed', 'queued', job[4], word)
        release(batch, n)
        enqueue(batch, n, credential, 0, true)
        answer = 2
      else
        redis.call('HSET', key, 'state', 'sending', 'reason', 'sending', 'at', now, 'attempts', attempt)
        redis.call('ZADD', batch .. ':leases', now + lease, n)
        count(batch, 'claimed', -1)
        count(batch, 'sending', 1)
        count(batch, 'attempts', 1)
        widen(batch, n, 0, 1)
        for _, scope in ipairs(trial or {}) do spend_permit(scope, lease) end
        answer = trial and 3 or 1
      end
    elseif job[1] == 'sending' and job[3] == attempt then
      answer = 1
    elseif job[1] == 'cancelled' then
      answer = 4
    end
  end
  reply[#reply + 1] = answer
end
settle_counts()
return reply
