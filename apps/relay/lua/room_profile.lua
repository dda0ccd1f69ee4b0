-- Gives a member another profile, and with it perhaps another name. Safe to repeat.
-- KEYS[1..7] as in room_join.lua
-- ARGV[1] hex     session
-- ARGV[2] text    owner     "<node>/<generation>"
-- ARGV[3] hex     tag
-- ARGV[4] base64  profile
-- ARGV[5] hex     room id
-- Returns {'ok'}, {'taken', owner of the name}, or {'none'} when this owner does not hold the session.
-- Publishes as arrived does.
local session, tag, profile = ARGV[1], ARGV[3], ARGV[4]
local known = redis.call('HMGET', KEYS[1], 's:' .. session, 'quiet')
local counter, owner = read_state(known[1])
if owner ~= ARGV[2] then
  return { 'none' }
end
local holder = name_holder(KEYS[3], tag, session)
if holder then
  return name_taken(redis.call('HGET', KEYS[1], 's:' .. holder))
end
local since, old_tag, proof, old_profile, start, id = read_member(redis.call('HGET', KEYS[2], session))
if old_tag == tag and old_profile == profile then
  return { 'ok' }
end
if old_tag ~= tag then
  redis.call('HDEL', KEYS[3], old_tag)
  redis.call('HSET', KEYS[3], tag, session)
end
redis.call('HSET', KEYS[2], session, write_member(since, tag, proof, profile, start, id))
if known[2] and counter == '0' then
  return { 'ok' }
end
arrived(KEYS[7], ARGV[5], session, tag, profile, counter, since)
return { 'ok' }
