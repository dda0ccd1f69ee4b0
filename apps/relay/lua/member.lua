-- How members are written down. Not a script of its own: redis/scripts.ts puts it before the scripts that read or write
-- them. In the hash of members, session -> since, tag, proof, profile, start, id; in the room's hash, s:<session> ->
-- counter, owner; of a session that is gone counter, "-", proof, start, tag, since, profile, id. All parted by spaces.
-- start: where the log ended when the session first came; id: whose key it proved, left out when it proved none.

-- @return since, tag, proof, profile, start, id or ''
local function read_member(value)
  -- A pattern would look at each character of the profile.
  local tag_at = string.find(value, ' ', 1, true) + 1
  local proof_at = string.find(value, ' ', tag_at, true) + 1
  local profile_at = string.find(value, ' ', proof_at, true) + 1
  local start_at = string.find(value, ' ', profile_at, true) + 1
  local id_at = (string.find(value, ' ', start_at, true) or #value + 1) + 1
  return string.sub(value, 1, tag_at - 2), string.sub(value, tag_at, proof_at - 2),
    string.sub(value, proof_at, profile_at - 2), string.sub(value, profile_at, start_at - 2),
    string.sub(value, start_at, id_at - 2), string.sub(value, id_at)
end

local function write_member(since, tag, proof, profile, start, id)
  local value = since .. ' ' .. tag .. ' ' .. proof .. ' ' .. profile .. ' ' .. start
  return id == '' and value or value .. ' ' .. id
end

-- @return counter, owner; nil for one that is gone or unknown
local function read_state(state)
  local counter, owner = string.match(state or '', '^(%S+) (%S+)$')
  return counter, owner
end

-- @return counter, proof, start, tag, since, profile, id or ''
local function read_gone(state)
  return string.match(state, '^(%S+) %- (%S+) (%S+) (%S+) (%S+) (%S+) ?(%S*)$')
end

local function write_gone(counter, value)
  local since, tag, proof, profile, start, id = read_member(value)
  local state = table.concat({ counter, '-', proof, start, tag, since, profile }, ' ')
  return id == '' and state or state .. ' ' .. id, tag
end
