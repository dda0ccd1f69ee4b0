-- Whether a node judged by the charter that is in force. Not a script of its own: redis/scripts.ts puts it before the
-- scripts whose caller decides by a charter. What a room's hash has of it: stamp, which names the charter and all that
-- goes with it, and charter, the two documents as JSON.
-- @param stamp the room's field, or false  @param judged the stamp that the caller judged by, '' for no charter
-- @return nil when they are one; else {'charter', stamp, charter}, both '' when there is none
local function other_charter(room_key, stamp, judged)
  if (stamp or '') == judged then
    return nil
  end
  return { 'charter', stamp or '', redis.call('HGET', room_key, 'charter') or '' }
end
