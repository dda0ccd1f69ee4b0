-- Gives sealed frames their places in their rooms, keeps them in the logs and sends them to all nodes. Safe to repeat: a
-- counter counts once. Frames of one call share a server (on a Redis Cluster a slot) and nothing else.
-- KEYS, three for each frame:
--   [1] hash    room      epoch, seq, bytes, head, server, active, s:<session> = "<counter> <owner>"
--                         head = 26 bytes, the start of a delivery's header: version, type, room, epoch
--                         until = when the end of the log is to be moved, plus log_ms; milliseconds since 1970
--   [2] stream  log       <seq>-0 -> d: delivery, b: bytes said before it
--   [3] sharded channel
-- ARGV[1] number  now       milliseconds since 1970
-- ARGV[2] hex     server    as room_epoch.lua says
-- ARGV[3] number  log_max   messages a log keeps; 0: it keeps none
-- ARGV[4] number  log_bytes_max
-- ARGV[5] number  log_ms    for how long
-- and then four for each frame:
--   [1] hex     session
--   [2] text    before    "<counter> <owner>" as the room has it for the session when this is the next frame of it
--   [3] text    after     the same with the counter of the frame. owner = "<node>/<generation>" fences off a node or
--                         connection that has lost the session
--   [4] bytes   frame
-- Returns two numbers for each frame: 1, seq: taken; 2, seq or 0: taken before; 3, last counter: gap; 4, 0: not a
-- member; 5, 0: stale server.
-- Publishes 1 + delivery (libs/protocol, writeDeliveryHeader).
local trim_every = 8
-- A log lives a sixtieth of its time longer than it must, so that its end need not be moved with every message; and once
-- more, for nodes whose clocks differ by as much. Clocks that differ by more have it moved each time.
local late_share = 60
local trim_rounds = 64
local repeats_looked_at = 64

local now_text, server, log_max = ARGV[1], ARGV[2], ARGV[3]
local now, log_bytes_max, log_ms = tonumber(now_text), tonumber(ARGV[4]), tonumber(ARGV[5])
local late_ms = math.floor(log_ms / late_share)

local function trim(log_key, bytes_from)
  local oldest = now - log_ms
  local looked_at = 1
  for _ = 1, trim_rounds do
    local heads = redis.call('XRANGE', log_key, '-', '+', 'COUNT', looked_at)
    local keep = nil
    for i = 1, #heads do
      local fields = heads[i][2]
      if tonumber(fields[4]) >= bytes_from and struct.unpack('>I8', fields[2], 35) >= oldest then
        keep = i
        break
      end
    end
    if keep == 1 or #heads == 0 then
      return
    end
    redis.call('XTRIM', log_key, 'MINID', '=', heads[keep or #heads][1])
    if keep then
      return
    end
    -- All of them go; the last one with the next round.
    looked_at = 32
  end
end

local function place_of(log_key, frame)
  local mark = string.sub(frame, 3, 26)
  local recent = redis.call('XREVRANGE', log_key, '+', '-', 'COUNT', repeats_looked_at)
  for i = 1, #recent do
    local delivery = recent[i][2][2]
    if string.sub(delivery, 45, 68) == mark then
      return (struct.unpack('>I8', delivery, 27))
    end
  end
  return 0
end

local function publish(room_key, log_key, channel, session, before, after, frame)
  local state_field = 's:' .. session
  local known = redis.call('HMGET', room_key, 'seq', 'bytes', state_field, 'head', 'server', 'until')
  local counter, last
  if known[3] ~= before then
    local claimed, owner
    counter, claimed = string.match(after, '^(%d+) (%S+)$')
    last, owner = string.match(known[3] or '', '^(%d+) (%S+)$')
    if owner ~= claimed then
      return 4, 0
    end
  end
  local seq, head = known[1], known[4]
  if known[5] ~= server then
    local epoch = redis.call('HGET', room_key, 'epoch')
    epoch, seq, head = settle_epoch(room_key, channel, server, known[5], epoch, seq, head)
    if not epoch then
      return 5, 0
    end
  end
  if counter then
    last = tonumber(last)
    if tonumber(counter) > last then
      return 3, last
    end
    -- A write, so that WAIT on this connection speaks for the frame too.
    redis.call('HSET', room_key, 'active', now_text)
    return 2, place_of(log_key, frame)
  end

  local said = known[2]
  seq = seq + 1
  local seq_text = string.format('%.0f', seq)
  local bytes = said + #frame
  redis.call('HSET', room_key, 'seq', seq_text, 'bytes', string.format('%.0f', bytes), 'active', now_text, state_field,
    after)
  local place = struct.pack('>I8I8', seq, now)
  if log_max ~= '0' then
    redis.call('XADD', log_key, 'MAXLEN', '=', log_max, seq_text .. '-0', 'd', head .. place .. frame, 'b', said)
    local left_ms = tonumber(known[6] or 0) - now - log_ms
    if left_ms < 0 or left_ms > late_ms then
      redis.call('PEXPIRE', log_key, log_ms + 2 * late_ms)
      redis.call('HSET', room_key, 'until', string.format('%.0f', now + log_ms + late_ms))
    end
    if seq % trim_every == 0 then
      trim(log_key, bytes - log_bytes_max)
    end
  end
  redis.call('SPUBLISH', channel, '\1' .. head .. place .. frame)
  return 1, seq
end

local answers = {}
for i = 1, #KEYS / 3 do
  local key, arg = 3 * i - 2, 4 * i + 2
  answers[2 * i - 1], answers[2 * i] =
    publish(KEYS[key], KEYS[key + 1], KEYS[key + 2], ARGV[arg], ARGV[arg + 1], ARGV[arg + 2], ARGV[arg + 3])
end
return answers
