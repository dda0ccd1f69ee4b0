-- One page of a room's roster, in the order in which members came. Not a script of its own: redis/scripts.ts puts it
-- before room_join.lua and room_roster.lua.

-- @return the cursor of what comes behind the first page, when it is full: the place of its last member
local function second_page(roster_key, limit)
  return redis.call('ZRANGE', roster_key, limit - 1, limit - 1, 'WITHSCORES')[2]
end

-- @return sessions of the first page; '' or the cursor of the next one
local function first_places(roster_key, limit)
  local sessions = redis.call('ZRANGE', roster_key, 0, limit)
  if #sessions <= limit then
    return sessions, ''
  end
  sessions[#sessions] = nil
  return sessions, second_page(roster_key, limit)
end

-- @param after  number  cursor of the page
-- @return as first_places
local function next_places(roster_key, after, limit)
  local found = redis.call('ZRANGE', roster_key, '(' .. after, '+inf', 'BYSCORE', 'LIMIT', 0, limit + 1, 'WITHSCORES')
  local sessions = {}
  for i = 1, math.min(#found / 2, limit) do
    sessions[i] = found[2 * i - 1]
  end
  return sessions, #found / 2 > limit and found[2 * limit] or ''
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
