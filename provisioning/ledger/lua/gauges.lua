-- Sums up a range of all batches, for metrics. Writes nothing.
-- KEYS[1] `pv:batches`; then schema.SumUp, and schema.Word of each cause with its own sum; others count as `other`
-- Returns {batches read, counts, causes, doubted, due, first}: counts flat, field and sum; causes flat,
-- `STATE:CAUSE` and sum; doubted ms of the oldest doubt, due ms of the waiting job that is due first, 0 if there
-- is none; first flat, batch and number of the first ready job of each credential, oldest batch first.
local FIELDS = {
  STATE.QUEUED, STATE.CLAIMED, STATE.SENDING, STATE.SUCCEEDED, STATE.DEAD, STATE.IN_DOUBT, STATE.CANCELLED,
  'accepted', 'least', 'most', 'attempts',
}
-- Most causes read per batch: an API with a different error key for each row must not make this slow.
local CAUSES_READ, LINES_READ = 500, 8

local named = {}
for cause in rows() do named[cause.word] = true end

local sums, causes, first = { waiting = 0, settled = 0 }, {}, {}
local doubted, due, lines = 0, 0, arg.lines
for _, field in ipairs(FIELDS) do sums[field] = 0 end

local function earlier(a, b) return (a == 0 or b < a) and b or a end

local function oldest(key)
  local found = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  return found[2] and tonumber(found[2]) or 0
end

local function add_causes(batch, counts)
  local left = { dead = counts.dead, in_doubt = counts.in_doubt }
  local flat = redis.call('HSCAN', batch .. OF.causes, 0, 'COUNT', CAUSES_READ)[2]
  for i = 1, math.min(#flat, 2 * CAUSES_READ), 2 do
    local state, cause = string.match(flat[i], '^([a-z_]+):(.*)$')
    if left[state] and named[cause] then
      causes[flat[i]] = (causes[flat[i]] or 0) + tonumber(flat[i + 1])
      left[state] = left[state] - tonumber(flat[i + 1])
    end
  end
  for state, others in pairs(left) do
    if others > 0 then
      local other = state .. ':other'
      causes[other] = (causes[other] or 0) + others
    end
  end
end

local function add_queued(batch, id)
  local waiting = redis.call('ZCARD', batch .. OF.waiting)
  sums.waiting = sums.waiting + waiting
  if waiting > 0 then due = earlier(due, oldest(batch .. OF.waiting)) end
  if lines == 0 then return end
  local found = false
  for _, credential in ipairs(redis.call('SRANDMEMBER', batch .. OF.credentials, LINES_READ)) do
    local n = redis.call('LINDEX', batch .. OF.ready .. credential, 0)
    if n then
      first[#first + 1] = id
      first[#first + 1] = n
      found = true
    end
  end
  if found then lines = lines - 1 end
end

local batches = redis.call('ZRANGE', KEYS[1], arg.start, arg.start + arg.most - 1)
for _, id in ipairs(batches) do
  local batch = batch_key(id)
  local values, counts = redis.call('HMGET', batch, unpack(FIELDS)), {}
  for i, field in ipairs(FIELDS) do
    counts[field] = tonumber(values[i] or 0)
    sums[field] = sums[field] + counts[field]
  end
  if counts.queued + counts.claimed + counts.sending == 0 then sums.settled = sums.settled + 1 end
  if counts.dead + counts.in_doubt > 0 then add_causes(batch, counts) end
  if counts.in_doubt > 0 then doubted = earlier(doubted, oldest(batch .. OF.badly .. STATE.IN_DOUBT)) end
  if counts.queued > 0 then add_queued(batch, id) end
end

local function flat(sums)
  local out = {}
  for name, sum in pairs(sums) do
    out[#out + 1] = name
    out[#out + 1] = tostring(sum)
  end
  return out
end
return { #batches, flat(sums), flat(causes), tostring(doubted), tostring(due), first }
