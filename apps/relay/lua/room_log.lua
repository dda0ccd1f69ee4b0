-- Reads a page of a room's log. Changes nothing.
-- KEYS[1] hash    room
-- KEYS[2] stream  log
-- ARGV[1] hex     epoch     of the position
-- ARGV[2] number  after     seq of the position
-- ARGV[3] number  frames    most deliveries of a page
-- ARGV[4] number  bytes     most bytes of them; one always fits
-- ARGV[5] number  oldest    deliveries taken before this time are not told any more, milliseconds since 1970
-- Returns what log_page returns, {'none'} without a room.
local known = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'was')
if not known[1] then
  return { 'none' }
end
return log_page(KEYS[2], known[1], tonumber(known[2]), known[3], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]),
  tonumber(ARGV[4]), tonumber(ARGV[5]))
