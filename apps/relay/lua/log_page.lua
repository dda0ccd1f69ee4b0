-- A page of a room's log: what stands after a position, within one epoch. Changes nothing. Not a script of its own:
-- redis/scripts.ts puts it before room_log.lua and room_join.lua.
-- @param current  hex    the room's epoch, and
-- @param stop     number its last seq
-- @param was      text   the room's field: "<epoch>:<its last seq>:<seq of the next epoch's start> ...", newest first
-- @param log_key  stream <seq>-0 -> d: delivery, b: bytes said before it
-- @param epoch    hex    of the position
-- @param after    number seq of the position
-- @param frames   number most deliveries of a page
-- @param bytes    number most bytes of them; one always fits
-- @param oldest   number deliveries taken before this time are not told any more, milliseconds since 1970
-- @return {'page', epoch, seq, missed, more, delivery...}: deliveries from seq + 1 on; `missed` are gone for good.
-- {'unknown', epoch, seq}: nobody knows that epoch; the current one, and the place where it starts.
local function log_page(log_key, current, stop, was, epoch, after, frames_max, bytes_max, oldest)
  if epoch ~= current then
    local later, later_stop, start = current, stop, 0
    local found = false
    for each_epoch, ended, next_start in string.gmatch(was or '', '(%x+):(%d+):(%d+)') do
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
    entries = redis.call('XRANGE', log_key, string.format('%.0f-0', after + 1), string.format('%.0f-0', stop), 'COUNT',
      frames_max + 1)
  end
  local page = { 'page', epoch, '', 0, 0 }
  local last, missed, bytes = after, 0, 0
  local full = false
  for i = 1, #entries do
    local delivery = entries[i][2][2]
    local seq, at = struct.unpack('>I8I8', delivery, 27)
    if at >= oldest then
      if #page == 5 then
        missed = seq - after - 1
        after = seq - 1
      elseif #page - 5 >= frames_max or bytes + #delivery > bytes_max then
        full = true
        break
      end
      bytes = bytes + #delivery
      last = seq
      page[#page + 1] = delivery
    end
  end
  if #page == 5 and stop > after then
    -- A whole page too old: what is left of it is looked at with the next one.
    last = stop
    if #entries > frames_max then
      last = struct.unpack('>I8', entries[#entries][2][2], 27)
      full = true
    end
    missed = last - after
    after = last
  elseif #page == 5 then
    after = math.min(after, stop)
  end
  page[3] = string.format('%.0f', after)
  page[4] = missed
  if full or epoch ~= current then
    page[5] = 1
  end
  return page
end
