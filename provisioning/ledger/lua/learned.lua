-- What 429s have taught of a credential's rate: reads it, and replaces it if it is what the caller has read.
-- KEYS[1] `pv:learned`; then schema.Learn
-- Returns {1 if it was replaced, what is kept now or '', now in ms}.
local kept = redis.call('HGET', KEYS[1], arg.credential) or ''
if not arg.replace or arg.read ~= kept then return { 0, kept, now } end
if arg.new == '' then
  redis.call('HDEL', KEYS[1], arg.credential)
else
  redis.call('HSET', KEYS[1], arg.credential, arg.new)
end
return { 1, arg.new, now }
