-- What a name in a room means to others: who has it, and who came by it. Not a script of its own: redis/scripts.ts puts
-- it before room_join.lua and room_profile.lua.

-- @return the other session that has the name; nil when it is free, or this session's own
local function name_holder(names_key, tag, session)
  local holder = redis.call('HGET', names_key, tag)
  return holder and holder ~= session and holder or nil
end

-- @param state of the session that has the name, as member.lua says
local function name_taken(state)
  return { 'taken', state and string.match(state, ' (%S+)$') or '' }
end

-- Publishes 2 + "arrived" for members.
local function arrived(channel, room, session, tag, profile, counter, since)
  -- Every value is hex, base64url or digits: nothing needs escaping.
  redis.call('SPUBLISH', channel, '\2{"t":"arrived","room":"' .. room .. '","member":{"session":"' .. session
    .. '","tag":"' .. tag .. '","profile":"' .. profile .. '","counter":' .. counter .. ',"since":' .. since .. '}}')
end
