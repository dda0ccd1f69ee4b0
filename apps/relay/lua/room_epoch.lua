-- What to do when the server is not the one that wrote last: it may have lost the newest places of the log, so the
-- room goes on under a new epoch, far enough ahead that no place is ever given twice. Not a script of its own:
-- redis/scripts.ts puts it before the scripts that give or tell places. Its duty is docs/protocol.md, section 7.3.
-- @param server   hex     replication id of the server that runs this, as its connection knows it
-- @param wrote    hex     room's `server`: whose log it is so far
-- @return epoch, seq and head as they are from now on; nil when `server` was left behind by an earlier failover
local epoch_leap = 1048576
local lineage_max = 4

-- @return bytes
local function from_hex(text)
  return (string.gsub(text, '%x%x', function(pair)
    return string.char(tonumber(pair, 16))
  end))
end

local function settle_epoch(room_key, channel, server, wrote, epoch, seq, head)
  if wrote == server then
    return epoch, seq, head
  end
  local past = redis.call('HMGET', room_key, 'servers', 'was')
  local servers, was = past[1] or '', past[2] or ''
  if string.find(servers, server, 1, true) then
    return nil
  end
  local next_epoch = string.sub(redis.sha1hex(epoch .. server), 1, 16)
  local next_seq = string.format('%.0f', seq + epoch_leap)
  local next_head = string.sub(head, 1, 18) .. from_hex(next_epoch)
  local lineage = { epoch .. ':' .. seq .. ':' .. next_seq }
  for each in string.gmatch(was, '%S+') do
    if #lineage < lineage_max then
      lineage[#lineage + 1] = each
    end
  end
  redis.call('HSET', room_key, 'epoch', next_epoch, 'seq', next_seq, 'head', next_head, 'server', server,
    'servers', string.sub(wrote .. ' ' .. servers, 1, 17 * lineage_max), 'was', table.concat(lineage, ' '))
  local room = string.gsub(string.sub(head, 3, 18), '.', function(byte)
    return string.format('%02x', string.byte(byte))
  end)
  redis.call('SPUBLISH', channel, '\2{"t":"reset","room":"' .. room .. '","epoch":"' .. next_epoch .. '","seq":'
    .. next_seq .. ',"was":{"epoch":"' .. epoch .. '","seq":' .. seq .. '}}')
  return next_epoch, next_seq, next_head
end
