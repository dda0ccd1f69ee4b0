-- Takes every member of a dead node out of one room. Safe to repeat. Node ids are never used twice.
-- KEYS[1..7] as in room_join.lua
-- ARGV[1] hex     node
-- ARGV[2] number  now       milliseconds since 1970
-- ARGV[3] number  keep_ms   how long counters, and the room once it is empty, are kept
-- ARGV[4] hex     room id
-- ARGV[5] number  quiet_min as in room_leave.lua
-- Returns how many members were taken out. Publishes as took_out does, why "lost".
local prefix = ARGV[1] .. '/'
local values = redis.call('HGETALL', KEYS[2])
local reaped = {}
for i = 1, #values, 2 do
  local session = values[i]
  local counter, owner = read_state(redis.call('HGET', KEYS[1], 's:' .. session))
  if owner and string.sub(owner, 1, #prefix) == prefix then
    take_out(KEYS, session, counter, values[i + 1], ARGV[2], ARGV[3])
    reaped[#reaped + 1] = session
  end
end
if #reaped > 0 then
  took_out(KEYS, reaped, 'lost', ARGV[4], redis.call('HGET', KEYS[1], 'quiet'), ARGV[5], ARGV[3])
end
return #reaped
