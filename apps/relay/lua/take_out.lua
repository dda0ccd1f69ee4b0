-- Takes members out of a room: what all have in common who leave, by wish or not. Not a script of its own:
-- redis/scripts.ts puts it, behind member.lua, before room_leave.lua, room_kick.lua and room_reap.lua.

-- Takes one out. @param keys KEYS[1..7] as in room_join.lua  @param value of the hash of members
-- @param now, keep_ms as in room_leave.lua
local function take_out(keys, session, counter, value, now, keep_ms)
  local gone, tag = write_gone(counter, value)
  redis.call('HSET', keys[1], 's:' .. session, gone, 'active', now)
  redis.call('HDEL', keys[2], session)
  redis.call('HDEL', keys[3], tag)
  redis.call('ZADD', keys[4], tonumber(now) + tonumber(keep_ms), session)
  redis.call('ZREM', keys[5], session)
end

-- To be called once behind it: lets an empty room expire, and ends the quiet of one that has become small.
-- @param gone list of sessions  @param quiet the room's field of that name  @param quiet_min number
-- Publishes 2 + "departed" for each of them, unless the room is quiet; 2 + "count" when its quiet ends.
local function took_out(keys, gone, why, room, quiet, quiet_min, keep_ms)
  local left = redis.call('HLEN', keys[2])
  if left == 0 then
    for i = 1, 5 do
      redis.call('PEXPIRE', keys[i], keep_ms)
    end
  end
  if quiet then
    if left < tonumber(quiet_min) then
      redis.call('HDEL', keys[1], 'quiet')
      redis.call('SPUBLISH', keys[7], '\2{"t":"count","room":"' .. room .. '","count":' .. left .. ',"quiet":false}')
    end
    return
  end
  for i = 1, #gone do
    redis.call('SPUBLISH', keys[7], '\2{"t":"departed","room":"' .. room .. '","session":"' .. gone[i]
      .. '","why":"' .. why .. '"}')
  end
end
