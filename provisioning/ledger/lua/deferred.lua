-- Hands claimed jobs back: queued again, not before a time, attempts kept.
-- KEYS[1] the batch; then 4 a job: number, token, due in ms from now (0: at once), reason
-- Returns a list, 1 a job: 1 handed back; 0 it was no longer the caller's.
local batch = KEYS[1]
local reply = {}
for i = 2, #ARGV, 4 do
  local n, token, delay, reason = unpack(ARGV, i, i + 3)
  local job = load(batch, n)
  local answer = 0
  if job.state == 'claimed' and job.token == tonumber(token) then
    move(job, 'queued', reason)
    release(job)
    enqueue(job, delay == '0' and 0 or now + tonumber(delay), true)
    save(job)
    answer = 1
  end
  reply[#reply + 1] = answer
end
settle()
return reply
