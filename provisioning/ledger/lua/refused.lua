-- Stores a refused message, newest first, and deletes the oldest beyond a number and a size.
-- KEYS[1] the list; then schema.Refuse
-- With an empty message it only deletes. Returns how many messages it deleted.
local list, size = KEYS[1], KEY.intake_bytes
if arg.message ~= '' then
  redis.call('LPUSH', list, arg.message)
  redis.call('INCRBY', size, #arg.message)
end
local gone = 0
local most, bytes, before = arg.most, arg.size, arg.before
while gone < 100 do
  local count = redis.call('LLEN', list)
  if count == 0 then redis.call('DEL', size) break end
  local oldest = redis.call('LINDEX', list, -1)
  -- Its first member is its time: see ledger/refused_messages.py.
  local at = tonumber(string.match(oldest, '^{"at": ?([%d.]+)') or 0)
  local over = tonumber(redis.call('GET', size) or 0) > bytes and count > 1
  if count <= most and not over and at >= before then break end
  redis.call('RPOP', list)
  redis.call('DECRBY', size, #oldest)
  gone = gone + 1
end
return gone
