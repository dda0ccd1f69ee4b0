-- Reads a page of a room's log: what stands after a position, within one epoch. Changes nothing.
-- KEYS[1] hash    room      epoch, seq, was = "<epoch>:<its last seq>:<seq of the next epoch's start> ...", newest first
-- KEYS[2] stream  log       <seq>-0 -> d: delivery, b: bytes said before it
-- ARGV[1] hex     epoch     of the position
-- ARGV[2] number  after     seq of the position
-- ARGV[3] number  frames    most deliveries of a page
-- ARGV[4] number  bytes     most bytes of them; one always fits
-- ARGV[5] number  oldest    deliveries taken before this time are not told any more, milliseconds since 1970
-- Returns {'page', epoch, seq, missed, more, delivery...}: deliveries from seq + 1 on; `missed` are gone for good.
-- {'unknown', epoch, seq}: nobody knows that epoch; the current one, and the place where it starts. {'none'}: no room.
local known = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'was')
local current = known[1]
if not current then
  return { 'none' }
end
local epoch, after, stop = ARGV[1], tonumber(ARGV[2]), tonumber(known[2])
if epoch ~= current then
  local later, later_stop, start = current, stop, 0
  local found = false
  for each_epoch, ended, next_start in string.gmatch(known[3] or '', '(%x+):(%d+):(%d+)') do
    if start == 0 then
      start = tonumber(next_start)
    end
    if each_epoch == epoch then
      found = true
      if after < tonumber(ended) then
        stop = tonumber(ended)
      else
        epoch, after, stop = later, tonumber(next_start), later_stop
      end
      break
    end
    later, later_stop = each_epoch, tonumber(ended)
  end
  if not found then
    return { 'unknown', current, string.format('%.0f', start) }
  end
end

local entries = {}
if stop > after then
  entries = redis.call('XRANGE', KEYS[2], string.format('%.0f-0', after + 1), string.format('%.0f-0', stop), 'COUNT',
    tonumber(ARGV[3]) + 1)
end
local reply = { 'page', epoch, '', 0, 0 }
local last, missed, bytes = after, 0, 0
local full = false
for i = 1, #entries do
  local delivery = entries[i][2][2]
  local seq, at = struct.unpack('>I8I8', delivery, 27)
  if at >= tonumber(ARGV[5]) then
    if #reply == 5 then
      missed = seq - after - 1
      after = seq - 1
    elseif #reply - 5 >= tonumber(ARGV[3]) or bytes + #delivery > tonumber(ARGV[4]) then
      full = true
      break
    end
    bytes = bytes + #delivery
    last = seq
    reply[#reply + 1] = delivery
  end
end
if #reply == 5 and stop > after then
  -- A whole page too old: what is left of it is looked at with the next one.
  last = stop
  if #entries > tonumber(ARGV[3]) then
    last = struct.unpack('>I8', entries[#entries][2][2], 27)
    full = true
  end
  missed = last - after
  after = last
elseif #reply == 5 then
  after = math.min(after, stop)
end
reply[3] = string.format('%.0f', after)
reply[4] = missed
if full or epoch ~= current then
  reply[5] = 1
end
return reply
