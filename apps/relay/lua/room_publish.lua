-- Gives a sealed frame its place in the room and sends it to all nodes. Safe to repeat: a counter counts once.
-- KEYS[1] hash  room      seq, bytes, active, s:<session> = "<counter> <owner>"
-- KEYS[2] sharded channel
-- ARGV[1] hex     session
-- ARGV[2] text    owner     "<node>/<generation>": fences off a node or connection that has lost the session
-- ARGV[3] number  counter   of the frame
-- ARGV[4] number  now       milliseconds since 1970
-- ARGV[5] 26 bytes          start of the delivery header: version, type, room, epoch. The owner saw the epoch when it
--                           joined, and an owner's membership never outlives the epoch.
-- ARGV[6] bytes   frame
-- Returns {1, seq} taken, {2, 0} taken before, {3, last counter} gap, {4, 0} not a member.
-- Publishes 1 + delivery (libs/protocol, writeDeliveryHeader).
local state_field = 's:' .. ARGV[1]
local known = redis.call('HMGET', KEYS[1], 'seq', 'bytes', state_field)
local last, owner = string.match(known[3] or '', '^(%d+) (%S+)$')
if owner ~= ARGV[2] then
  return { 4, 0 }
end
local counter = tonumber(ARGV[3])
last = tonumber(last)
if counter <= last then
  return { 2, 0 }
end
if counter > last + 1 then
  return { 3, last }
end
local seq = known[1] + 1
redis.call('HSET', KEYS[1], 'seq', string.format('%.0f', seq), 'bytes', string.format('%.0f', known[2] + #ARGV[6]),
  'active', ARGV[4], state_field, ARGV[3] .. ' ' .. owner)
redis.call('SPUBLISH', KEYS[2], '\1' .. ARGV[5] .. struct.pack('>I8I8', seq, tonumber(ARGV[4])) .. ARGV[6])
return { 1, seq }
