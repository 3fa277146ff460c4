-- Ends the limit of a batch to its first few jobs, if all its jobs are among them: the submission that asked for
-- it had no more, and a later one must not be limited by it.
-- KEYS[1] the batch; then schema.EndFirst
-- Returns 1 if it is ended; 0 if there is none, it holds jobs back, or another submission has asked for it since.
local limit = redis.call('HMGET', KEYS[1], 'first', 'first_asked')
if not limit[1] or limit[2] ~= arg.asked or last_number(KEYS[1]) > tonumber(limit[1]) then return 0 end
end_first(KEYS[1])
return 1
