-- One page of a room's roster, in the order in which members came. Not a script of its own: redis/scripts.ts puts it
-- before room_join.lua and room_roster.lua.

-- @return sessions of the page; '' or the cursor of the next one, the place of this one's last
local function roster_places(roster_key, after, limit)
  local sessions
  if after == '0' then
    sessions = redis.call('ZRANGE', roster_key, 0, limit)
  else
    sessions = redis.call('ZRANGE', roster_key, '(' .. after, '+inf', 'BYSCORE', 'LIMIT', 0, limit + 1)
  end
  if #sessions <= tonumber(limit) then
    return sessions, ''
  end
  sessions[#sessions] = nil
  return sessions, redis.call('ZSCORE', roster_key, sessions[#sessions])
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
