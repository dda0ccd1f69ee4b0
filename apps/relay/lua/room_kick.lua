-- Puts a member out, whoever holds it.
-- KEYS[1..7] as in room_join.lua
-- ARGV[1] hex     session
-- ARGV[2] text    judged    stamp of the charter by which the kicker may do so
-- ARGV[3] text    spared    member ids whom the kicker may not put out, each behind a space
-- ARGV[4] number  now       milliseconds since 1970
-- ARGV[5] number  keep_ms   as in room_leave.lua
-- ARGV[6] hex     room id
-- ARGV[7] number  quiet_min as in room_leave.lua
-- Returns {'ok'}, {'none'} when the session is no member, {'spared'}, or {'charter', stamp, charter} when the room has
-- another one. Publishes 5 + {session, owner} for nodes, then as took_out does.
local session = ARGV[1]
local known = redis.call('HMGET', KEYS[1], 's:' .. session, 'quiet', 'stamp')
local other = other_charter(KEYS[1], known[3], ARGV[2])
if other then
  return other
end
local counter, owner = read_state(known[1])
local value = owner and redis.call('HGET', KEYS[2], session)
if not value then
  return { 'none' }
end
local _, _, _, _, _, id = read_member(value)
if id ~= '' and string.find(ARGV[3], ' ' .. id, 1, true) then
  return { 'spared' }
end
take_out(KEYS, session, counter, value, ARGV[4], ARGV[5])
redis.call('SPUBLISH', KEYS[7], '\5{"session":"' .. session .. '","owner":"' .. owner .. '"}')
took_out(KEYS, { session }, 'kicked', ARGV[6], known[2], ARGV[7], ARGV[5])
return { 'ok' }
