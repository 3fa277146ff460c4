-- Records how many jobs of an upload were known in which other batches. A batch without own jobs settles with
-- this.
-- KEYS[1] the batch; then schema.NoteElsewhere, and schema.HomeOf of each other batch
-- Returns 1; 0 if there is no such batch.
local batch = KEYS[1]
local fields = redis.call('HMGET', batch, 'accepted', 'settled_at', 'elsewhere')
if not fields[1] then return 0 end
local most = fields[3] and cjson.decode(fields[3]) or {}
local noted, room = false, arg.most
for _ in pairs(most) do room = room - 1 end
for other in rows() do
  local before = most[other.batch]
  if before or room > 0 then
    if not before then room = room - 1 end
    most[other.batch] = math.max(before or 0, other.jobs)
    noted = true
  end
end
if noted then redis.call('HSET', batch, 'elsewhere', cjson.encode(most)) end
if fields[1] == '0' and not fields[2] then
  redis.call('HSET', batch, 'settled_at', now)
  announce(HAPPENED.BATCH_SETTLED, batch)
end
return 1
