-- One page of a room's roster, in the order in which members came. Not a script of its own: redis/scripts.ts puts it
-- before room_join.lua and room_roster.lua.

-- @param after  number  place after which the page starts; 0 for the first page
-- @param limit  number  members per page
-- @return sessions; '' or the cursor of the next page; the place of the last one of this page
local function roster_places(roster_key, after, limit)
  local found = redis.call('ZRANGE', roster_key, '(' .. after, '+inf', 'BYSCORE', 'LIMIT', 0, limit + 1, 'WITHSCORES')
  local size = math.min(#found / 2, limit)
  local sessions = {}
  for i = 1, size do
    sessions[i] = found[2 * i - 1]
  end
  local last = found[2 * size]
  return sessions, #found / 2 > limit and last or '', last
end

-- @param members, states  what the two hashes have of them, by session, as member.lua says
-- @return next, then per member: session id, member, state
local function roster_page(next_place, sessions, members, states)
  local page = { next_place }
  for i = 1, #sessions do
    local session = sessions[i]
    page[#page + 1] = session
    page[#page + 1] = members[session]
    page[#page + 1] = states[session]
  end
  return page
end

-- @return a table: the field of the hash, less its prefix, to its value
local function read_fields(key, prefix, names)
  local found = {}
  if #names > 0 then
    local fields = {}
    for i = 1, #names do
      fields[i] = prefix .. names[i]
    end
    local values = redis.call('HMGET', key, unpack(fields))
    for i = 1, #names do
      found[names[i]] = values[i]
    end
  end
  return found
end
