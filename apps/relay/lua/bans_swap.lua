-- Puts another list of an operator's bans in the place of the one that its writer has seen.
-- KEYS[1] hash    stamp (text), list (JSON)
-- KEYS[2]         the channel on which nodes hear of it
-- ARGV[1] text    seen      stamp of the list that the new one was made from; '' where there is none
-- ARGV[2] text    stamp     the new list's
-- ARGV[3] text    list
-- Returns 1, or 0 when another list stands there by now: so also to a repeat of what was done. Publishes the stamp.
if (redis.call('HGET', KEYS[1], 'stamp') or '') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'stamp', ARGV[2], 'list', ARGV[3])
redis.call('SPUBLISH', KEYS[2], ARGV[2])
return 1
