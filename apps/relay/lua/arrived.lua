-- What a name in a room means to others: who has it, and who came by it. Not a script of its own: redis/scripts.ts puts
-- it before room_join.lua and room_profile.lua.

-- @return {'taken', owner} when another session has the name; nil when it is free, or this session's own
local function name_taken(room_key, names_key, tag, session)
  local holder = redis.call('HGET', names_key, tag)
  if not holder or holder == session then
    return nil
  end
  local held = redis.call('HGET', room_key, 's:' .. holder)
  return { 'taken', held and string.match(held, ' (%S+)$') or '' }
end

-- Publishes 2 + "arrived" for members.
local function arrived(channel, room, session, tag, profile, counter, since)
  -- Every value is hex, base64url or digits: nothing needs escaping.
  redis.call('SPUBLISH', channel, '\2{"t":"arrived","room":"' .. room .. '","member":{"session":"' .. session
    .. '","tag":"' .. tag .. '","profile":"' .. profile .. '","counter":' .. counter .. ',"since":' .. since .. '}}')
end
