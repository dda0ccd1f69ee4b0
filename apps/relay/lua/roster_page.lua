-- One page of a room's roster, in the order in which members came. Not a script of its own: redis/scripts.ts puts it
-- before room_join.lua and room_roster.lua.
-- @param after    number  place after which the page starts; 0 for the first page
-- @param limit    number  members per page
-- @return next ('' or the cursor of the next page), then per member: session id, and what the two hashes have of it, as
--         member.lua says
local function roster_page(room_key, members_key, roster_key, after, limit)
  local found = redis.call('ZRANGE', roster_key, '(' .. after, '+inf', 'BYSCORE', 'LIMIT', 0, limit + 1, 'WITHSCORES')
  local page = { '' }
  local size = #found / 2
  if size > limit then
    size = limit
    page[1] = found[2 * limit]
  end
  if size == 0 then
    return page
  end
  local sessions, fields = {}, {}
  for i = 1, size do
    sessions[i] = found[2 * i - 1]
    fields[i] = 's:' .. sessions[i]
  end
  local values = redis.call('HMGET', members_key, unpack(sessions))
  local states = redis.call('HMGET', room_key, unpack(fields))
  for i = 1, size do
    page[#page + 1] = sessions[i]
    page[#page + 1] = values[i]
    page[#page + 1] = states[i]
  end
  return page
end
