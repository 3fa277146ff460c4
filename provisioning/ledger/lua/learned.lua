-- What 429s have taught of a credential's rate: reads it, and replaces it if it is what the caller has read.
-- KEYS[1] `pv:learned`; ARGV[2] credential; then, to replace it, ARGV[3] what was read, '' for nothing; ARGV[4]
-- the new, '' for nothing
-- Returns {1 if it was replaced, what is kept now or '', now in ms}.
local kept = redis.call('HGET', KEYS[1], ARGV[2]) or ''
if #ARGV < 4 or ARGV[3] ~= kept then return { 0, kept, now } end
if ARGV[4] == '' then
  redis.call('HDEL', KEYS[1], ARGV[2])
else
  redis.call('HSET', KEYS[1], ARGV[2], ARGV[4])
end
return { 1, ARGV[4], now }
