-- Takes a session out of a room. Safe to repeat; does nothing when another owner holds the session.
-- KEYS[1..7] as in room_join.lua
-- ARGV[1] hex     session
-- ARGV[2] text    owner     "<node>/<generation>"
-- ARGV[3] text    why       left | lost | banned
-- ARGV[4] number  now       milliseconds since 1970
-- ARGV[5] number  keep_ms   how long counters, and the room once it is empty, are kept
-- ARGV[6] hex     room id
-- ARGV[7] number  quiet_min a quiet room with fewer members is quiet no more
-- Returns 1 when the session left, 0 when there was nothing to do. Publishes as took_out does.
local session = ARGV[1]
local known = redis.call('HMGET', KEYS[1], 's:' .. session, 'quiet')
local counter, owner = read_state(known[1])
if owner ~= ARGV[2] then
  return 0
end
take_out(KEYS, session, counter, redis.call('HGET', KEYS[2], session), ARGV[4], ARGV[5])
took_out(KEYS, { session }, ARGV[3], ARGV[6], known[2], ARGV[7], ARGV[5])
return 1
