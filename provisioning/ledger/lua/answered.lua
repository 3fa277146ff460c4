-- What came of a POST: the result and the attempt are stored with the move they cause, or not at all.
-- KEYS[1] the batch; then 9 a job: number, token, attempt, event (lifecycle.Event), reason,
--   least and most to add to the bounds, attempt as JSON, result as JSON or ''
-- Returns a list, 1 a job: 1 recorded (now or by an earlier call whose reply was lost); 2 recorded late, the
-- doubt is settled by it; 0 the job has moved on under another token and nothing was changed.
local batch = KEYS[1]
local TO = {
  created = 'succeeded', rejected = 'dead', exhausted = 'dead', retry_due = 'claimed',
  refused = 'queued', doubted = 'in_doubt',
}
local reply = {}
for i = 2, #ARGV, 9 do
  local n, token, attempt, event, reason, least, most, line, result = unpack(ARGV, i, i + 8)
  local key = job_key(batch, n)
  local job = redis.call('HMGET', key, 'state', 'token', 'attempts', 'reason', 'cred', 'answered')
  local state, to = job[1], TO[event]
  local answer = 0
  if job[2] == token and job[3] == attempt then
    if state == 'sending' or (state == 'in_doubt' and job[6] ~= 'yes') then
      answer = state == 'sending' and 1 or 2
      if answer == 2 and event == 'retry_due' then to = 'queued' end -- its lease is gone
      if result ~= '' then redis.call('HSET', batch .. ':results', n, result) end
      tell(batch, n, line)
      move(batch, n, state, to, job[4], reason)
      widen(batch, n, tonumber(least), tonumber(most))
      if event == 'refused' then redis.call('HINCRBY', key, 'attempts', -1) end
      if to == 'queued' then enqueue(batch, n, job[5], 0, true) end
      if to ~= 'claimed' then release(batch, n) end
      -- Of the moves only this one leaves the state in which an answer is taken: mark it as taken.
      if to == 'in_doubt' then redis.call('HSET', key, 'answered', 'yes') end
    elseif state == to then
      answer = 1 -- said twice: an earlier call was carried out and its reply was lost
    end
  end
  reply[#reply + 1] = answer
end
settle_counts()
return reply
