-- Reads a page of a room's roster. Changes nothing.
-- KEYS[1] hash  room      epoch, seq, bytes, created, active, place, s:<session> = "<counter> <owner>"
-- KEYS[2] hash  members   as member.lua says
-- KEYS[3] zset  roster    session by place
-- ARGV[1] number  after   cursor, 0 for the first page
-- ARGV[2] number  limit   members per page
-- Returns what roster_page returns.
local sessions, next_place = next_places(KEYS[3], ARGV[1], tonumber(ARGV[2]))
return roster_page(next_place, sessions, read_fields(KEYS[2], '', sessions), read_fields(KEYS[1], 's:', sessions))
