-- Ends a bulk act and writes it into the audit, both once.
-- KEYS[1] `pv:bulk:ID`; then schema.EndBulk
-- Returns 1; 0 if it has ended already.
local known = redis.call('HMGET', KEYS[1], 'state', 'cursor')
if known[1] ~= BULK.RUNNING and known[1] ~= BULK.STOPPING then return 0 end
local state = known[2] == BULK_END and BULK.DONE or BULK.CANCELLED
redis.call('HSET', KEYS[1], 'state', state, 'ended_at', now)
redis.call('PEXPIRE', KEYS[1], arg.kept)
redis.call('DEL', KEY.bulk_found .. arg.bulk)
redis.call('SREM', KEY.bulk_open, arg.bulk)
local hold = arg.held ~= '' and redis.call('HGET', KEY.holds, arg.held)
if hold and cjson.decode(hold).kind == HOLD_KIND.CANCELLING then redis.call('HDEL', KEY.holds, arg.held) end
redis.call('XADD', KEY.audit, 'MAXLEN', '~', AUDIT_KEPT, '*', 'act', arg.act)
local told = { 'event', HAPPENED.ACT, 'batch', arg.batch, 'job', '', 'on', arg.on }
redis.call('XADD', KEY.events, 'MAXLEN', '~', EVENTS_KEPT, '*', unpack(told))
return 1
