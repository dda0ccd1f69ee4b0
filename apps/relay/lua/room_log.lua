-- Reads a page of a room's log. Changes nothing.
-- KEYS[1] hash    room
-- KEYS[2] stream  log
-- ARGV[1] hex     epoch     of the position
-- ARGV[2] number  after     seq of the position
-- ARGV[3] number  frames    most deliveries of a page
-- ARGV[4] number  bytes     most bytes of them; one always fits
-- ARGV[5] number  oldest    deliveries taken before this time are not told any more, milliseconds since 1970
-- Returns what log_page returns.
return log_page(KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]))
