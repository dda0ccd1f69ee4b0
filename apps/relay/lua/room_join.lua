-- Puts sessions into a room, or moves them to a new owner (another connection of the same client): all who ask for the
-- room at once, so that a crowd that comes back costs little. They come in one after the other.
-- Safe to repeat: the same owner again changes nothing and tells nobody.
-- KEYS[1] hash  room      epoch, seq, head, server, bytes, created, active, place, stamp and charter (charter_known.lua),
--                         quiet = 1 while members are not told who comes and goes, s:<session> as member.lua says
-- KEYS[2] hash  members   as member.lua says
-- KEYS[3] hash  names     tag -> session
-- KEYS[4] zset  gone      session by the time when its counter is forgotten
-- KEYS[5] zset  roster    session by place
-- KEYS[6] stream log      <seq>-0 -> d: delivery, b: bytes said before it
-- KEYS[7] sharded channel
-- ARGV[1] number  now         milliseconds since 1970
-- ARGV[2] hex     head        version and type, with which a delivery's header starts, used when the room is new
-- ARGV[3] text    judged      stamp of the charter by which those who ask were judged, '' for no charter
-- ARGV[4] hex     room id
-- ARGV[5] number  page        members in the answer
-- ARGV[6] hex     epoch       of the room, should it be new
-- ARGV[7] hex     server      as room_epoch.lua says
-- ARGV[8] number  young_ms    a log younger than that is given whole to whoever comes
-- ARGV[9] number  frames, ARGV[10] number bytes, ARGV[11] number oldest: bounds of a page, as log_page.lua says
-- ARGV[12] number quiet_above a room with more members is quiet from now on
-- Then twelve for each who asks:
--         hex     session
--         hex     tag
--         text    owner       "<node>/<generation>"
--         hex     proof
--         base64  profile
--         number  claim       frames up to this counter cannot be sent any more
--         hex     after_epoch where a returning member stands, and
--         number  after_seq   its seq; '' and 0 for a newcomer
--         hex     id          whose key the session proved, '' for nobody's
--         code    refusal     '' for nothing against it; room-locked holds only for who is not in the room
--         number  members_max most members of the room with this one
--         number  whole       1: a newcomer may have all that the log keeps
-- Returns {epoch, seq, count, roster page, {page of the log...}, {answer...}, quiet or ''}, {} when the server was left
--         behind, {'charter', stamp, charter} when the room has another one than they were judged by.
--         An answer: {'ok', counter, start, page}, {'taken', owner of the name}, {'session'}, {'full'}, {refusal}. `page` is the number
--         of the page that has what the member missed, 0 when it stands at the log's end; -1 for `missed` in it: nobody knows.
--         When nobody came in, epoch and seq are '' and the roster is empty.
-- Publishes 2 + "arrived" for members when somebody came or changed; in a quiet room only when somebody changed who has
-- spoken. 2 + "count" when it becomes quiet. At last 3 + [{session, owner, was}...] for nodes.
local room_key, members_key, names_key, gone_key, roster_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local channel, now, room, quiet_above = KEYS[7], ARGV[1], ARGV[4], tonumber(ARGV[12])
local asked_from, asked_size = 13, 12

local page_max = tonumber(ARGV[5])
-- What comes back is the first page of the roster: who is on it is not looked up again.
local sessions, next_place = first_places(roster_key, page_max)
local all_listed = next_place == ''
local names = { 'epoch', 'seq', 'head', 'server', 'created', 'stamp', 'quiet', 'place', 'was' }
for i = 1, #sessions do
  names[#names + 1] = 's:' .. sessions[i]
end
local known = redis.call('HMGET', room_key, unpack(names))
local other = other_charter(room_key, known[6], ARGV[3])
if other then
  return other
end
local members, states = read_fields(members_key, '', sessions), {}
for i = 1, #sessions do
  states[sessions[i]] = known[#known - #sessions + i]
end
local count = all_listed and #sessions or redis.call('HLEN', members_key)
local count_before = count
local epoch, seq, is_open, quiet, place, was = known[1], known[2], false, known[7], tonumber(known[8] or 0), known[9]
-- Fields of the room and their new values.
local changes = { 'active', now }

-- Before the first one comes in. Returns false when the server was left behind.
local function open_room()
  if not epoch then
    epoch, seq, place, was = ARGV[6], '0', 0, false
    redis.call('HSET', room_key, 'epoch', epoch, 'seq', 0, 'bytes', 0, 'created', now, 'place', 0,
      'head', from_hex(ARGV[2] .. room .. epoch), 'server', ARGV[7])
    redis.call('DEL', KEYS[6])
    if known[6] then
      redis.call('PERSIST', room_key)
    end
  else
    epoch, seq = settle_epoch(room_key, channel, ARGV[7], known[4], epoch, seq, known[3])
    if not epoch then
      return false
    end
    if epoch ~= known[1] then
      was = redis.call('HGET', room_key, 'was')
    end
    if count == 0 then
      for i = 1, 5 do
        redis.call('PERSIST', KEYS[i])
      end
    end
  end
  is_open = true
  return true
end

local pages, page_numbers = {}, {}
local function read_log(page_epoch, after)
  return log_page(KEYS[6], epoch, tonumber(seq), was, page_epoch, after, tonumber(ARGV[9]), tonumber(ARGV[10]),
    tonumber(ARGV[11]))
end

-- Most who come back together stand at one place: they share its page.
local function page_after(after_epoch, after, start)
  if after_epoch == '' or (after_epoch == epoch and after == tonumber(seq)) then
    return 0
  end
  local from = after_epoch .. ' ' .. string.format('%.0f', math.max(after, start))
  if not page_numbers[from] then
    local page = read_log(after_epoch, math.max(after, start))
    local number = #pages + 1
    if page[1] == 'unknown' then
      page = read_log(page[2], math.max(tonumber(page[3]), start))
      page[4] = -1
    else
      page_numbers[from] = number
    end
    pages[number] = page
    return number
  end
  return page_numbers[from]
end

-- Those whose time is over: a bounded number, so that a join stays short however many left before.
local function forget_gone()
  local forgotten = redis.call('ZRANGE', gone_key, '-inf', now, 'BYSCORE', 'LIMIT', 0, 16)
  for i = 1, #forgotten do
    redis.call('HDEL', room_key, 's:' .. forgotten[i])
    redis.call('ZREM', gone_key, forgotten[i])
  end
end

-- @return state and member of a session, false for what it has not
local function find(session)
  if states[session] then
    return states[session], members[session]
  end
  local state = redis.call('HGET', room_key, 's:' .. session)
  return state, state and not all_listed and redis.call('HGET', members_key, session)
end

-- Puts a session at the roster's end.
local function list(session)
  count, place = count + 1, place + 1
  redis.call('ZADD', roster_key, place, session)
  if #sessions < page_max then
    sessions[#sessions + 1] = session
  elseif next_place == '' then
    next_place = second_page(roster_key, page_max)
  end
end

local told = {}
-- Returns the answer with the place of who comes where its page will be, nil when the server was left behind.
local function join(session, tag, owner, proof, profile, claim, after_epoch, after_seq, id, refusal, members_max, whole)
  local state, value = find(session)
  local counter, former, since, old_tag, old_proof, old_profile, start, old_id = '0', '', now, nil, nil, nil, nil, ''
  if value then
    since, old_tag, old_proof, old_profile, start, old_id = read_member(value)
    counter, former = read_state(state)
  elseif state then
    forget_gone()
    state = redis.call('HGET', room_key, 's:' .. session)
    if state then
      local _
      counter, old_proof, start, _, _, _, old_id = read_gone(state)
    end
  end
  if old_proof and old_proof ~= proof or old_id ~= '' and old_id ~= id then
    return { 'session' }
  end
  if refusal ~= '' and not (refusal == 'room-locked' and value) then
    return { refusal }
  end
  -- Who is in the room and keeps its name, as most do who come back, holds it.
  local holder = old_tag ~= tag and name_holder(names_key, tag, session)
  if holder then
    return name_taken((find(holder)))
  end
  if not value and count >= tonumber(members_max) then
    return { 'full' }
  end
  if not is_open and not open_room() then
    return nil
  end

  if not start then
    local young = tonumber(now) - tonumber(known[5] or now) < tonumber(ARGV[8])
    start = (young or whole == '1') and '0' or seq
  end
  if tonumber(counter) < tonumber(claim) then
    counter = claim
  end
  if not value then
    list(session)
    if state then
      redis.call('ZREM', gone_key, session)
    end
  elseif old_tag ~= tag then
    redis.call('HDEL', names_key, old_tag)
  end
  states[session] = counter .. ' ' .. owner
  changes[#changes + 1] = 's:' .. session
  changes[#changes + 1] = states[session]
  local changed = not value or old_tag ~= tag or old_profile ~= profile
  if changed or old_id ~= id then
    value = write_member(since, tag, proof, profile, start, id)
    redis.call('HSET', members_key, session, value)
  end
  members[session] = value
  if old_tag ~= tag then
    redis.call('HSET', names_key, tag, session)
  end

  if not quiet and count > quiet_above then
    quiet = '1'
    redis.call('HSET', room_key, 'quiet', quiet)
    redis.call('SPUBLISH', channel, '\2{"t":"count","room":"' .. room .. '","count":' .. count .. ',"quiet":true}')
  end
  if changed and (not quiet or old_tag and counter ~= '0') then
    arrived(channel, room, session, tag, profile, counter, since)
  end
  if former == owner then
    former = ''
  end
  told[#told + 1] = '{"session":"' .. session .. '","owner":"' .. owner .. '","was":"' .. former .. '"}'
  return { 'ok', counter, start, { after_epoch, tonumber(after_seq) } }
end

local answers = {}
for i = asked_from, #ARGV, asked_size do
  local answer = join(unpack(ARGV, i, i + asked_size - 1))
  if not answer then
    return {}
  end
  answers[#answers + 1] = answer
end
if not is_open then
  return { '', '', count, {}, {}, answers, '' }
end
if count > count_before then
  changes[#changes + 1] = 'place'
  changes[#changes + 1] = place
  forget_gone()
end
redis.call('HSET', room_key, unpack(changes))
redis.call('SPUBLISH', channel, '\3[' .. table.concat(told, ',') .. ']')
-- Read once all is written: a log that cannot be read leaves nobody half in the room.
for i = 1, #answers do
  local answer = answers[i]
  if answer[1] == 'ok' then
    answer[4] = page_after(answer[4][1], answer[4][2], tonumber(answer[3]))
  end
end
return { epoch, seq, count, roster_page(next_place, sessions, members, states), pages, answers, quiet or '' }
