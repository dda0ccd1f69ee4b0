-- Takes every member of a dead node out of one room. Safe to repeat. Node ids are never used twice.
-- KEYS[1..7] as in room_join.lua
-- ARGV[1] hex     node
-- ARGV[2] number  now       milliseconds since 1970
-- ARGV[3] number  keep_ms   how long counters, and the room once it is empty, are kept
-- ARGV[4] hex     room id
-- Returns how many members were taken out. Publishes 2 + "departed", why "lost", for each of them.
local prefix = ARGV[1] .. '/'
local values = redis.call('HGETALL', KEYS[2])
local reaped = 0
for i = 1, #values, 2 do
  local session = values[i]
  local counter, owner = string.match(redis.call('HGET', KEYS[1], 's:' .. session) or '', '^(%S+) (%S+)$')
  if owner and string.sub(owner, 1, #prefix) == prefix then
    local since, tag, proof, profile, start = string.match(values[i + 1], '^(%S+) (%S+) (%S+) (%S+) (%S+)$')
    redis.call('HSET', KEYS[1], 's:' .. session, table.concat({ counter, '-', proof, start, tag, since, profile }, ' '),
      'active', ARGV[2])
    redis.call('HDEL', KEYS[2], session)
    redis.call('HDEL', KEYS[3], tag)
    redis.call('ZADD', KEYS[4], tonumber(ARGV[2]) + tonumber(ARGV[3]), session)
    redis.call('ZREM', KEYS[5], session)
    redis.call('SPUBLISH', KEYS[7], '\2{"t":"departed","room":"' .. ARGV[4] .. '","session":"' .. session
      .. '","why":"lost"}')
    reaped = reaped + 1
  end
end
if reaped > 0 and redis.call('HLEN', KEYS[2]) == 0 then
  for i = 1, 5 do
    redis.call('PEXPIRE', KEYS[i], ARGV[3])
  end
end
return reaped
