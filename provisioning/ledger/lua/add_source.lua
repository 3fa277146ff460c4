-- Records a file whose rows were all submitted. The batch has them as JSON lines, each file once.
-- KEYS[1] the batch; then schema.AddSource
-- Returns 1 if it was recorded; 0 if it was known, or if there is no such batch.
local fields = redis.call('HMGET', KEYS[1], 'opened_at', 'sources')
if not fields[1] then return 0 end
local known = fields[2] or ''
if string.find(known, arg.sha256, 1, true) then return 0 end
local line = '{"at":' .. string.format('%.3f', now / 1000) .. ',' .. string.sub(arg.facts, 2) .. '\n'
redis.call('HSET', KEYS[1], 'sources', known .. line)
return 1
