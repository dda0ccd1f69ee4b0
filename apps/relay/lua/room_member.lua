-- Tells one session of a room: a member, or one that is gone and not forgotten yet. Changes nothing.
-- KEYS[1] hash  room      s:<session>, as member.lua says
-- KEYS[2] hash  members   as member.lua says
-- ARGV[1] hex   session
-- Returns a roster page (roster_page.lua) of this one session, or of none.
local session = ARGV[1]
local state = redis.call('HGET', KEYS[1], 's:' .. session)
if not state then
  return { '' }
end
local value = redis.call('HGET', KEYS[2], session)
if not value then
  local _, proof, start, tag, since, profile, id = read_gone(state)
  value = write_member(since, tag, proof, profile, start, id)
end
return { '', session, value, state }
