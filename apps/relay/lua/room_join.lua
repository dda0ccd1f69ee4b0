-- Puts a session into a room, or moves it to a new owner (another connection of the same client).
-- Safe to repeat: the same owner again changes nothing and tells nobody.
-- KEYS[1] hash  room      epoch, seq, head, server, bytes, created, active, place,
--                         s:<session> = "<counter> <owner>"; when the session is gone "<counter> - <proof> <start> <tag> <since> <profile>"
-- KEYS[2] hash  members   session -> "<since> <tag> <proof> <profile> <start>"; start: where the log ended when it first came
-- KEYS[3] hash  names     tag -> session
-- KEYS[4] zset  gone      session by the time when its counter is forgotten
-- KEYS[5] zset  roster    session by place
-- KEYS[6] stream log      <seq>-0 -> d: delivery, b: bytes said before it
-- KEYS[7] sharded channel
-- ARGV[1] hex     session
-- ARGV[2] hex     tag
-- ARGV[3] text    owner       "<node>/<generation>"
-- ARGV[4] hex     proof
-- ARGV[5] base64  profile
-- ARGV[6] number  now         milliseconds since 1970
-- ARGV[7] 26 bytes head      start of a delivery's header with a new epoch, used when the room is new
-- ARGV[8] number  members_max
-- ARGV[9] hex     room id
-- ARGV[10] number page        members in the answer
-- ARGV[11] hex    epoch       the one in `head`
-- ARGV[12] hex    server      as room_epoch.lua says
-- ARGV[13] number claim       frames up to this counter cannot be sent any more
-- ARGV[14] number young_ms    a log younger than that is given whole to whoever comes
-- ARGV[15] hex    after_epoch where a returning member stands, and
-- ARGV[16] number after_seq   its seq; '' and 0 for a newcomer
-- ARGV[17] number frames, ARGV[18] number bytes, ARGV[19] number oldest: bounds of a page, as log_page.lua says
-- Returns {'ok', epoch, seq, counter, start, count, roster page, page of the log}, {'taken', owner of the name},
--         {'session'}, {'full'}, or {'stale'} when the server was left behind. The page of the log has what the member
--         missed, with -1 for `missed` where nobody knows; it is empty when the member stands at the log's end.
-- Publishes 2 + "arrived" for members when somebody came or changed, then 3 + {session, owner, was} for nodes.
local room_key, members_key, names_key, gone_key, roster_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local channel = KEYS[7]
local session, tag, owner, proof, profile, now = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local state_field = 's:' .. session

-- A bounded number, so that a join stays short however many left before.
local forgotten = redis.call('ZRANGE', gone_key, '-inf', now, 'BYSCORE', 'LIMIT', 0, 16)
for i = 1, #forgotten do
  redis.call('HDEL', room_key, 's:' .. forgotten[i])
  redis.call('ZREM', gone_key, forgotten[i])
end

local known = redis.call('HMGET', room_key, 'epoch', 'seq', state_field, 'head', 'server', 'created')
local value = redis.call('HGET', members_key, session)
local counter, was, since, old_tag, old_proof, old_profile, start = '0', '', now, nil, nil, nil, nil
if value then
  since, old_tag, old_proof, old_profile, start = string.match(value, '^(%S+) (%S+) (%S+) (%S+) (%S+)$')
  counter, was = string.match(known[3], '^(%S+) (%S+)$')
elseif known[3] then
  counter, old_proof, start = string.match(known[3], '^(%S+) %- (%S+) (%S+) ')
end
if old_proof and old_proof ~= proof then
  return { 'session' }
end
local holder = redis.call('HGET', names_key, tag)
if holder and holder ~= session then
  local held = redis.call('HGET', room_key, 's:' .. holder)
  return { 'taken', held and string.match(held, ' (%S+)$') or '' }
end
local count = redis.call('HLEN', members_key)
if not value and count >= tonumber(ARGV[8]) then
  return { 'full' }
end

local epoch, seq = known[1], known[2]
if not epoch then
  epoch, seq = ARGV[11], '0'
  redis.call('HSET', room_key, 'epoch', epoch, 'seq', 0, 'bytes', 0, 'created', now, 'place', 0, 'head', ARGV[7],
    'server', ARGV[12])
  redis.call('DEL', KEYS[6])
else
  epoch, seq = settle_epoch(room_key, channel, ARGV[12], known[5], epoch, seq, known[4])
  if not epoch then
    return { 'stale' }
  end
  if count == 0 then
    for i = 1, 5 do
      redis.call('PERSIST', KEYS[i])
    end
  end
end
if not start then
  start = tonumber(now) - tonumber(known[6] or now) < tonumber(ARGV[14]) and '0' or seq
end
if tonumber(counter) < tonumber(ARGV[13]) then
  counter = ARGV[13]
end
if not value then
  count = count + 1
  redis.call('ZADD', roster_key, redis.call('HINCRBY', room_key, 'place', 1), session)
  redis.call('ZREM', gone_key, session)
elseif old_tag ~= tag then
  redis.call('HDEL', names_key, old_tag)
end
redis.call('HSET', room_key, state_field, counter .. ' ' .. owner, 'active', now)
redis.call('HSET', members_key, session, since .. ' ' .. tag .. ' ' .. proof .. ' ' .. profile
  .. ' ' .. start)
redis.call('HSET', names_key, tag, session)

if not value or old_tag ~= tag or old_profile ~= profile then
  -- Every value is hex, base64url or digits: nothing needs escaping.
  redis.call('SPUBLISH', channel, '\2{"t":"arrived","room":"' .. ARGV[9] .. '","member":{"session":"' .. session
    .. '","tag":"' .. tag .. '","profile":"' .. profile .. '","counter":' .. counter .. ',"since":' .. since .. '}}')
end
if was == owner then
  was = ''
end
redis.call('SPUBLISH', channel, '\3{"session":"' .. session .. '","owner":"' .. owner .. '","was":"' .. was .. '"}')

local after_epoch, after = ARGV[15], tonumber(ARGV[16])
local page = {}
if after_epoch ~= '' and (after_epoch ~= epoch or after ~= tonumber(seq)) then
  local function page_after(page_epoch, place)
    return log_page(room_key, KEYS[6], page_epoch, math.max(place, tonumber(start)), tonumber(ARGV[17]),
      tonumber(ARGV[18]), tonumber(ARGV[19]))
  end
  page = page_after(after_epoch, after)
  if page[1] == 'unknown' then
    page = page_after(page[2], tonumber(page[3]))
    page[4] = -1
  end
end
return { 'ok', epoch, seq, counter, start, count,
  roster_page(room_key, members_key, roster_key, 0, tonumber(ARGV[10])), page }
