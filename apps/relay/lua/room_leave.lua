-- Takes a session out of a room. Safe to repeat; does nothing when another owner holds the session.
-- KEYS[1..7] as in room_join.lua
-- ARGV[1] hex     session
-- ARGV[2] text    owner     "<node>/<generation>"
-- ARGV[3] text    why       left | lost
-- ARGV[4] number  now       milliseconds since 1970
-- ARGV[5] number  keep_ms   how long counters, and the room once it is empty, are kept
-- ARGV[6] hex     room id
-- Returns 1 when the session left, 0 when there was nothing to do. Publishes 2 + "departed" for members.
local session, now = ARGV[1], tonumber(ARGV[4])
local state = redis.call('HGET', KEYS[1], 's:' .. session)
local counter, owner = string.match(state or '', '^(%S+) (%S+)$')
if owner ~= ARGV[2] then
  return 0
end
local since, tag, proof, profile, start = string.match(redis.call('HGET', KEYS[2], session),
  '^(%S+) (%S+) (%S+) (%S+) (%S+)$')
redis.call('HSET', KEYS[1], 's:' .. session, table.concat({ counter, '-', proof, start, tag, since, profile }, ' '),
  'active', ARGV[4])
redis.call('HDEL', KEYS[2], session)
redis.call('HDEL', KEYS[3], tag)
redis.call('ZADD', KEYS[4], now + tonumber(ARGV[5]), session)
redis.call('ZREM', KEYS[5], session)
if redis.call('HLEN', KEYS[2]) == 0 then
  for i = 1, 5 do
    redis.call('PEXPIRE', KEYS[i], ARGV[5])
  end
end
redis.call('SPUBLISH', KEYS[7], '\2{"t":"departed","room":"' .. ARGV[6] .. '","session":"' .. session
  .. '","why":"' .. ARGV[3] .. '"}')
return 1
