-- Puts a brake on: no further POST of its scope starts, on any worker.
-- KEYS[1] `pv:holds`; ARGV[2] scope (`credential:NAME`, `target:URL`, `batch:ID`); ARGV[3] the hold as JSON;
-- ARGV[4] ms until a canary may try by itself, doubled after each that fails; '' to wait for a person
-- Returns 1 if it is on now, 0 if the scope was held already: the first word stands.
if redis.call('HSETNX', KEYS[1], ARGV[2], ARGV[3]) == 0 then return 0 end
local brake = 'pv:brake:' .. ARGV[2]
redis.call('DEL', brake)
if ARGV[4] ~= '' then
  redis.call('HSET', brake, 'stage', 1, 'permits', 0, 'good', 0, 'top', 100, 'pause', ARGV[4],
    'next', now + tonumber(ARGV[4]))
end
return 1
