-- Selects jobs from a range of those in one state, or in any. Writes nothing.
-- KEYS[1] the batch; then schema.Matching: `after` is the end of the previous range, '' at first, `most` how many
-- to read; and schema.Word of each other spelling of the key
-- Returns {end, jobs}: the end of this range, '' if nothing is left; schema.Match of each job.
-- Jobs that are dead or in doubt are ordered by time, from their index; others by number.
local batch, state, from, most = KEYS[1], arg.state, arg.after, arg.most
local spellings = {}
for spelling in rows() do spellings[spelling.word] = true end

-- The index may lose jobs between two ranges; the position of a job that is still in it shows where to continue.
local function indexed()
  local index, rank = batch .. OF.badly .. state, 0
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
  local last = math.min(first + most - 1, last_number(batch))
  local numbers = {}
  for n = first, last do numbers[#numbers + 1] = n end
  return numbers, #numbers == most and tostring(last) or ''
end

local function fits(wanted, found) return wanted == '' or wanted == found end

local function key_fits(key)
  if spellings[key] then return true end
  if string.sub(arg.key, -1) ~= '*' then return fits(arg.key, key) end
  return string.sub(key, 1, #arg.key - 1) == string.sub(arg.key, 1, -2)
end

local numbers, ended = (BLAMED[state] and indexed or all)()
local jobs = {}
load_all(batch, numbers)
for _, n in ipairs(numbers) do
  local job = load(batch, n)
  if job.state and fits(state, job.state) and fits(arg.reason, job.reason) and fits(arg.credential, job.credential)
    and key_fits(job.key)
    and (not arg.since or job.at >= arg.since) and (not arg.before or job.at < arg.before) then
    give(jobs, n, job.reason, job.at, job.most, job.attempts)
  end
end
return { ended, jobs }
