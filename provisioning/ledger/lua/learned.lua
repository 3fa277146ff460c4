-- Reads the learned rate of a credential, and replaces it if it is still the one that the caller has read.
-- KEYS[1] `pv:learned`; then schema.Learn
-- Returns {1 if it was replaced, the stored value now or '', now in ms}.
local kept = redis.call('HGET', KEYS[1], arg.credential) or ''
if not arg.replace or arg.read ~= kept then return { 0, kept, now } end
if arg.new == '' then
  redis.call('HDEL', KEYS[1], arg.credential)
else
  redis.call('HSET', KEYS[1], arg.credential, arg.new)
end
return { 1, arg.new, now }
