-- Enforces the rate limit of a credential: reserves sending times, which all workers share.
-- KEYS[1] `pv:pace:C`; then schema.Take: `rate` unless an operator has set another, at most `want` tokens; a
-- reservation may start at most `ahead` from now
-- Returns {tokens, start, interval, rate, learned, level}: the first token is valid `start` ms from now, each
-- further one `interval` ms later (both as text). tokens -1: no rate limit. 0 tokens: call again after `start`
-- ms, at most 1000. learned 1 if the rate was learned from 429 answers (provisioning/learned_rate.py). level: ms
-- until the next token is due, negative while some are saved.
-- Generic cell rate algorithm (ITU-T I.371): one number, the theoretical arrival time of the next token.
local rate = redis.call('HGET', KEY.rates, arg.credential) or arg.rate
local function number(value) return string.format('%.3f', value) end
local learned, kept = 0, redis.call('HGET', KEY.learned, arg.credential)
if kept then
  local known = cjson.decode(kept)
  if known.rate > 0 and (rate == 'unlimited' or known.rate < tonumber(rate)) then
    rate, learned = known.rate, 1
    local wait = known.since * 1000 - now
    if wait > 0 then
      return { 0, number(math.min(wait, 1000)), number(1000 / rate), rate .. '', 1, number(wait) }
    end
  end
end
if rate == 'unlimited' then return { -1, '0', '0', rate, 0, '0' } end
local interval = 1000 / tonumber(rate)
local ahead, burst = arg.ahead, arg.burst
local next_token = tonumber(redis.call('GET', KEYS[1]) or 0)
if next_token < now - burst then next_token = now - burst end
local lead = next_token - now
-- At a constant rate the lead never exceeds `ahead` plus one interval (and rounding). A larger lead was reserved
-- at a slower rate, which does not apply any more.
if lead > ahead + interval + 1 then
  lead = ahead
  next_token = now + lead
end
-- The caller asks again within a second, because the rate may have changed by then.
if lead > ahead then
  return { 0, number(math.min(lead - ahead, 1000)), number(interval), rate .. '', learned, number(lead) }
end
-- A caller that reserves nothing ahead gets all saved tokens at once.
local from = ahead > 0 and math.max(0, lead) or lead
local tokens = math.min(arg.want, 1 + math.floor((ahead - from) / interval))
local expiry = math.ceil(math.max(1000, lead + tokens * interval + burst))
local start = math.max(0, lead)
redis.call('SET', KEYS[1], number(next_token + tokens * interval), 'PX', expiry)
lead = lead + tokens * interval
return { tokens, number(start), number(interval), rate .. '', learned, number(lead) }
