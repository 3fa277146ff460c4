-- Puts a brake on: no further POST of its scope starts, on any worker, until a person lets it go on.
-- KEYS[1] `pv:holds`; ARGV[2] scope (`credential:NAME`, `target:URL`, `batch:ID`); ARGV[3] the hold as JSON
-- Returns 1 if it is on now, 0 if the scope was held already: the first word stands.
if redis.call('HSETNX', KEYS[1], ARGV[2], ARGV[3]) == 0 then return 0 end
redis.call('DEL', 'pv:brake:' .. ARGV[2])
return 1
