-- Puts a charter into force, unless another one came in between. Safe to repeat: what is in force already is told to nobody.
-- KEYS[1] hash  room      epoch, seq, head, server, stamp, charter
-- KEYS[2] sharded channel
-- ARGV[1] text    judged    stamp of the charter that this one was found to follow; '' for none
-- ARGV[2] text    stamp     of the new one: no spaces
-- ARGV[3] json    charter   {"charter":...,"rules":...}
-- ARGV[4] hex     room id
-- ARGV[5] hex     server    as room_epoch.lua says
-- ARGV[6] number  keep_ms   how long it is kept in a room that nobody is in
-- Returns {'ok'}, {'charter', stamp, charter} when the room has another one than was judged by, or {'stale'}.
-- Publishes 4 + stamp + ' ' + "charter" for nodes, who tell members.
local known = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'head', 'server', 'stamp')
if known[5] == ARGV[2] then
  return { 'ok' }
end
local other = other_charter(KEYS[1], known[5], ARGV[1])
if other then
  return other
end
if known[1] and not settle_epoch(KEYS[1], KEYS[2], ARGV[5], known[4], known[1], known[2], known[3]) then
  return { 'stale' }
end
redis.call('HSET', KEYS[1], 'stamp', ARGV[2], 'charter', ARGV[3])
if not known[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[6])
end
redis.call('SPUBLISH', KEYS[2], '\4' .. ARGV[2] .. ' {"t":"charter","room":"' .. ARGV[4] .. '",'
  .. string.sub(ARGV[3], 2))
return { 'ok' }
