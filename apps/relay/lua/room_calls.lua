-- Carries out calls of a loop turn, one after the other. Not a script of its own: redis/scripts.ts puts it behind
-- `calls`, the scripts that may be called so, each a function of its own KEYS and ARGV.
-- KEYS: seven for each call, as room_join.lua says
-- ARGV: for each call the name of its script, how many arguments it has, and those
-- Returns a list: what each script returns, or the error that it alone met.
local answers, at = {}, 1
for i = 1, #KEYS, 7 do
  local name, count = ARGV[at], tonumber(ARGV[at + 1])
  local ran, answer = pcall(calls[name], { unpack(KEYS, i, i + 6) }, { unpack(ARGV, at + 2, at + 1 + count) })
  answers[#answers + 1] = (ran or type(answer) == 'table') and answer or { err = 'ERR ' .. tostring(answer) }
  at = at + 2 + count
end
return answers
