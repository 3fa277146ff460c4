-- Looks through a stretch of the jobs in one state, or in any, for those that are meant; changes nothing.
-- KEYS[1] the batch; ARGV[2] state, '' for any; ARGV[3] where the stretch before ended, '' at first;
-- ARGV[4] most jobs to look at; then what is asked for, '' for any: ARGV[5] reason, ARGV[6] credential,
-- ARGV[7] key (`abc*`: all that begin so), ARGV[8] and ARGV[9] ms from which and before which it got there,
-- ARGV[10…] other spellings of the key
-- Returns {end, jobs}: where this stretch ended, '' if nothing is left; jobs flat, 5 a job: number, reason,
-- ms when it got there, most widgets that may exist for it, attempts.
-- Dead and doubtful jobs come in the order of their time, by their index; others in that of their numbers.
local batch, state, from, most = KEYS[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

-- The index may lose jobs between two stretches; one that stands where it stood tells how far we were.
local function indexed()
  local index, rank = batch .. ':' .. state, 0
  local at, last = string.match(from, '^(%d+)%-(%d+)$')
  if at and redis.call('ZSCORE', index, last) == at then
    rank = redis.call('ZRANK', index, last) + 1
  elseif at then
    rank = redis.call('ZCOUNT', index, '-inf', '(' .. at)
  end
  local pairs_ = redis.call('ZRANGE', index, rank, rank + most - 1, 'WITHSCORES')
  local numbers = {}
  for i = 1, #pairs_, 2 do numbers[#numbers + 1] = pairs_[i] end
  local full = #numbers == most
  return numbers, full and string.format('%.0f', tonumber(pairs_[#pairs_])) .. '-' .. numbers[most] or ''
end

local function all()
  local first = from == '' and 1 or tonumber(from) + 1
  local last = math.min(first + most - 1, tonumber(redis.call('HGET', batch, 'accepted') or 0))
  local numbers = {}
  for n = first, last do numbers[#numbers + 1] = n end
  return numbers, #numbers == most and tostring(last) or ''
end

local function fits(wanted, found) return wanted == '' or wanted == found end

local function key_fits(key)
  for i = 10, #ARGV do
    if ARGV[i] == key then return true end
  end
  if string.sub(ARGV[7], -1) ~= '*' then return fits(ARGV[7], key) end
  return string.sub(key, 1, #ARGV[7] - 1) == string.sub(ARGV[7], 1, -2)
end

local numbers, ended = (BLAMED[state] and indexed or all)()
local jobs = {}
for _, n in ipairs(numbers) do
  local job = load(batch, n)
  if job.state and fits(state, job.state) and fits(ARGV[5], job.reason) and fits(ARGV[6], job.cred)
    and key_fits(job.key) and (ARGV[8] == '' or job.at >= tonumber(ARGV[8]))
    and (ARGV[9] == '' or job.at < tonumber(ARGV[9])) then
    local j = #jobs
    jobs[j + 1], jobs[j + 2], jobs[j + 3] = tonumber(n), job.reason, job.at
    jobs[j + 4], jobs[j + 5] = job.most, job.attempts
  end
end
return { ended, jobs }
