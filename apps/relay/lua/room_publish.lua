-- Gives a sealed frame its place in the room, keeps it in the log and sends it to all nodes. Safe to repeat: a counter
-- counts once.
-- KEYS[1] hash    room      epoch, seq, bytes, head, server, active, s:<session> = "<counter> <owner>"
--                           head = 26 bytes, the start of a delivery's header: version, type, room, epoch
-- KEYS[2] stream  log       <seq>-0 -> d: delivery, b: bytes said before it
-- KEYS[3] sharded channel
-- ARGV[1] hex     session
-- ARGV[2] text    owner     "<node>/<generation>": fences off a node or connection that has lost the session
-- ARGV[3] number  counter   of the frame
-- ARGV[4] number  now       milliseconds since 1970
-- ARGV[5] hex     server    as room_epoch.lua says
-- ARGV[6] number  log_max   messages the log keeps; 0: it keeps none
-- ARGV[7] number  log_bytes_max
-- ARGV[8] number  log_ms    for how long
-- ARGV[9] bytes   frame
-- Returns {1, seq} taken, {2, seq or 0} taken before, {3, last counter} gap, {4, 0} not a member, {5, 0} stale server.
-- Publishes 1 + delivery (libs/protocol, writeDeliveryHeader).
local trim_every = 8
local trim_rounds = 64
local repeats_looked_at = 64

local room_key, log_key, frame = KEYS[1], KEYS[2], ARGV[9]
local state_field = 's:' .. ARGV[1]
local known = redis.call('HMGET', room_key, 'seq', 'bytes', state_field, 'head', 'server', 'epoch')
local last, owner = string.match(known[3] or '', '^(%d+) (%S+)$')
if owner ~= ARGV[2] then
  return { 4, 0 }
end
local epoch, seq, head = settle_epoch(room_key, KEYS[3], ARGV[5], known[5], known[6], known[1], known[4])
if not epoch then
  return { 5, 0 }
end
local counter, now = tonumber(ARGV[3]), tonumber(ARGV[4])
last = tonumber(last)
if counter <= last then
  -- A write, so that WAIT on this connection speaks for the frame too.
  redis.call('HSET', room_key, 'active', ARGV[4])
  local mark = string.sub(frame, 3, 26)
  local recent = redis.call('XREVRANGE', log_key, '+', '-', 'COUNT', repeats_looked_at)
  for i = 1, #recent do
    local delivery = recent[i][2][2]
    if string.sub(delivery, 45, 68) == mark then
      return { 2, (struct.unpack('>I8', delivery, 27)) }
    end
  end
  return { 2, 0 }
end
if counter > last + 1 then
  return { 3, last }
end

local said = tonumber(known[2])
seq = seq + 1
local delivery = head .. struct.pack('>I8I8', seq, now) .. frame
redis.call('HSET', room_key, 'seq', string.format('%.0f', seq), 'bytes', string.format('%.0f', said + #frame),
  'active', ARGV[4], state_field, ARGV[3] .. ' ' .. owner)
if ARGV[6] ~= '0' then
  redis.call('XADD', log_key, 'MAXLEN', '=', ARGV[6], string.format('%.0f-0', seq), 'd', delivery, 'b', known[2])
  redis.call('PEXPIRE', log_key, ARGV[8])
  if seq % trim_every == 0 then
    local bytes_from, oldest = said + #frame - tonumber(ARGV[7]), now - tonumber(ARGV[8])
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
        break
      end
      redis.call('XTRIM', log_key, 'MINID', '=', heads[keep or #heads][1])
      if keep then
        break
      end
      -- All of them go; the last one with the next round.
      looked_at = 32
    end
  end
end
redis.call('SPUBLISH', KEYS[3], '\1' .. delivery)
return { 1, seq }
