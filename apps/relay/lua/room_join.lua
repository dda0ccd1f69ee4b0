-- Puts sessions into a room, or moves them to a new owner (another connection of the same client): all who ask for the
-- room at once, so that a crowd that comes back costs little. They come in one after the other.
-- Safe to repeat: the same owner again changes nothing and tells nobody.
-- KEYS[1] hash  room      epoch, seq, head, server, bytes, created, active, place,
--                         s:<session> = "<counter> <owner>"; when the session is gone "<counter> - <proof> <start> <tag> <since> <profile>"
-- KEYS[2] hash  members   session -> "<since> <tag> <proof> <profile> <start>"; start: where the log ended when it first came
-- KEYS[3] hash  names     tag -> session
-- KEYS[4] zset  gone      session by the time when its counter is forgotten
-- KEYS[5] zset  roster    session by place
-- KEYS[6] stream log      <seq>-0 -> d: delivery, b: bytes said before it
-- KEYS[7] sharded channel
-- ARGV[1] number  now         milliseconds since 1970
-- ARGV[2] 26 bytes head       start of a delivery's header with a new epoch, used when the room is new
-- ARGV[3] number  members_max
-- ARGV[4] hex     room id
-- ARGV[5] number  page        members in the answer
-- ARGV[6] hex     epoch       the one in `head`
-- ARGV[7] hex     server      as room_epoch.lua says
-- ARGV[8] number  young_ms    a log younger than that is given whole to whoever comes
-- ARGV[9] number  frames, ARGV[10] number bytes, ARGV[11] number oldest: bounds of a page, as log_page.lua says
-- Then eight for each who asks:
--         hex     session
--         hex     tag
--         text    owner       "<node>/<generation>"
--         hex     proof
--         base64  profile
--         number  claim       frames up to this counter cannot be sent any more
--         hex     after_epoch where a returning member stands, and
--         number  after_seq   its seq; '' and 0 for a newcomer
-- Returns {epoch, seq, count, roster page, {page of the log...}, {answer...}}, or {} when the server was left behind.
--         An answer: {'ok', counter, start, page}, {'taken', owner of the name}, {'session'}, {'full'}. `page` is the number
--         of the page that has what the member missed, 0 when it stands at the log's end; -1 for `missed` in it: nobody knows.
--         When nobody came in, epoch and seq are '' and the roster is empty.
-- Publishes 2 + "arrived" for members when somebody came or changed, then 3 + [{session, owner, was}...] for nodes.
local room_key, members_key, names_key, gone_key, roster_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local channel, now, members_max = KEYS[7], ARGV[1], tonumber(ARGV[3])
local asked_from, asked_size = 12, 8

-- A bounded number, so that a join stays short however many left before.
local forgotten = redis.call('ZRANGE', gone_key, '-inf', now, 'BYSCORE', 'LIMIT', 0, 16)
for i = 1, #forgotten do
  redis.call('HDEL', room_key, 's:' .. forgotten[i])
  redis.call('ZREM', gone_key, forgotten[i])
end

local known = redis.call('HMGET', room_key, 'epoch', 'seq', 'head', 'server', 'created')
local count = redis.call('HLEN', members_key)
local epoch, seq, is_open = known[1], known[2], false

-- Before the first one comes in. Returns false when the server was left behind.
local function open_room()
  if not epoch then
    epoch, seq = ARGV[6], '0'
    redis.call('HSET', room_key, 'epoch', epoch, 'seq', 0, 'bytes', 0, 'created', now, 'place', 0, 'head', ARGV[2],
      'server', ARGV[7])
    redis.call('DEL', KEYS[6])
  else
    epoch, seq = settle_epoch(room_key, channel, ARGV[7], known[4], epoch, seq, known[3])
    if not epoch then
      return false
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
  return log_page(room_key, KEYS[6], page_epoch, after, tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11]))
end

-- Most who come back together stand at one place: they share its page.
local function page_after(after_epoch, after, start)
  if after_epoch == '' or (after_epoch == epoch and after == tonumber(seq)) then
    return 0
  end
  local place = after_epoch .. ' ' .. string.format('%.0f', math.max(after, start))
  if not page_numbers[place] then
    local page = read_log(after_epoch, math.max(after, start))
    local number = #pages + 1
    if page[1] == 'unknown' then
      page = read_log(page[2], math.max(tonumber(page[3]), start))
      page[4] = -1
    else
      page_numbers[place] = number
    end
    pages[number] = page
    return number
  end
  return page_numbers[place]
end

local told = {}
-- Returns the answer, nil when the server was left behind.
local function join(session, tag, owner, proof, profile, claim, after_epoch, after_seq)
  local state_field = 's:' .. session
  local state = redis.call('HGET', room_key, state_field)
  local value = redis.call('HGET', members_key, session)
  local counter, was, since, old_tag, old_proof, old_profile, start = '0', '', now, nil, nil, nil, nil
  if value then
    since, old_tag, old_proof, old_profile, start = string.match(value, '^(%S+) (%S+) (%S+) (%S+) (%S+)$')
    counter, was = string.match(state, '^(%S+) (%S+)$')
  elseif state then
    counter, old_proof, start = string.match(state, '^(%S+) %- (%S+) (%S+) ')
  end
  if old_proof and old_proof ~= proof then
    return { 'session' }
  end
  local holder = redis.call('HGET', names_key, tag)
  if holder and holder ~= session then
    local held = redis.call('HGET', room_key, 's:' .. holder)
    return { 'taken', held and string.match(held, ' (%S+)$') or '' }
  end
  if not value and count >= members_max then
    return { 'full' }
  end
  if not is_open and not open_room() then
    return nil
  end

  if not start then
    start = tonumber(now) - tonumber(known[5] or now) < tonumber(ARGV[8]) and '0' or seq
  end
  if tonumber(counter) < tonumber(claim) then
    counter = claim
  end
  if not value then
    count = count + 1
    redis.call('ZADD', roster_key, redis.call('HINCRBY', room_key, 'place', 1), session)
    redis.call('ZREM', gone_key, session)
  elseif old_tag ~= tag then
    redis.call('HDEL', names_key, old_tag)
  end
  redis.call('HSET', room_key, state_field, counter .. ' ' .. owner, 'active', now)
  redis.call('HSET', members_key, session, since .. ' ' .. tag .. ' ' .. proof .. ' ' .. profile .. ' ' .. start)
  redis.call('HSET', names_key, tag, session)

  if not value or old_tag ~= tag or old_profile ~= profile then
    -- Every value is hex, base64url or digits: nothing needs escaping.
    redis.call('SPUBLISH', channel, '\2{"t":"arrived","room":"' .. ARGV[4] .. '","member":{"session":"' .. session
      .. '","tag":"' .. tag .. '","profile":"' .. profile .. '","counter":' .. counter .. ',"since":' .. since .. '}}')
  end
  if was == owner then
    was = ''
  end
  told[#told + 1] = '{"session":"' .. session .. '","owner":"' .. owner .. '","was":"' .. was .. '"}'
  return { 'ok', counter, start, page_after(after_epoch, tonumber(after_seq), tonumber(start)) }
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
  return { '', '', count, {}, {}, answers }
end
redis.call('SPUBLISH', channel, '\3[' .. table.concat(told, ',') .. ']')
return { epoch, seq, count, roster_page(room_key, members_key, roster_key, 0, tonumber(ARGV[5])), pages, answers }
