-- Tells where a room's log ends, and settles its epoch first: so a failover shows also where nobody writes. Tells too
-- what else a node has to know of a room that it did not hear for a while.
-- KEYS[1..7] as in room_join.lua
-- ARGV[1] hex     server  as room_epoch.lua says
-- Returns {epoch, seq, stamp or '', quiet or ''}, {'none', stamp or ''} for a room that nobody is in, {'stale'} when the
-- server was left behind.
local known = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'head', 'server', 'stamp', 'quiet')
if not known[1] then
  return { 'none', known[5] or '' }
end
local epoch, seq = settle_epoch(KEYS[1], KEYS[7], ARGV[1], known[4], known[1], known[2], known[3])
if not epoch then
  return { 'stale' }
end
return { epoch, seq, known[5] or '', known[6] or '' }
