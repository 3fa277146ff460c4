-- What a job that was let through a brake has shown.
-- KEYS[1] `pv:holds`; ARGV[2] scope; ARGV[3] `good`, `bad` or `unclear`; ARGV[4] longest pause in ms
-- Returns 0 nothing is on; 1 the brake stays on; 2 more are let through; 3 it is off.
-- A brake that opens only for a person (top 1) waits for the next word after a bad answer.
-- The canary must be good. Of ten or a hundred up to half may be bad: an API that always fails now and then
-- would never pass 111 in a row, and the brake never come off. What comes after a stage was decided, from jobs
-- that it had let through, says nothing of the next: ten late failures must not double the pause ten times.
local scope, brake = ARGV[2], 'pv:brake:' .. ARGV[2]
local at = redis.call('HMGET', brake, 'stage', 'good', 'top', 'pause', 'bad', 'out')
if not at[1] then return 0 end
local stage, good, top, pause = tonumber(at[1]), tonumber(at[2]), tonumber(at[3]), tonumber(at[4])
local bad = tonumber(at[5] or 0)
if good + bad >= tonumber(at[6] or 0) then return 1 end
if ARGV[3] == 'good' then good = good + 1 else bad = bad + 1 end
if bad * 2 <= stage and (stage > 1 or bad == 0) then
  if good + bad < stage then
    redis.call('HSET', brake, 'good', good, 'bad', bad)
    return 1
  elseif stage >= top then
    redis.call('DEL', brake)
    redis.call('HDEL', KEYS[1], scope)
    return 3
  end
  redis.call('HSET', brake, 'stage', stage * 10, 'permits', stage * 10, 'good', 0, 'bad', 0, 'out', 0,
    'next', now + pause)
  return 2
elseif ARGV[3] == 'bad' and top == 1 then
  redis.call('DEL', brake)
else
  if ARGV[3] == 'bad' and stage == 1 then pause = math.min(pause * 2, tonumber(ARGV[4])) end
  redis.call('HSET', brake, 'stage', 1, 'permits', 0, 'good', 0, 'bad', 0, 'out', 0, 'pause', pause,
    'next', now + pause)
end
return 1
