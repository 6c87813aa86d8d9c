-- Put a recomputed payoff in place of the stored one, unless the log has grown since.
-- KEYS: episodes, payoff, archived   ARGV: length of the log that was folded, then field, value, ...
-- Returns 1 when replaced, 0 when the log has another length.
local moved = tonumber(redis.call('HGET', KEYS[3], 'episodes') or 0)  -- into files
if moved + redis.call('LLEN', KEYS[1]) ~= tonumber(ARGV[1]) then
  return 0
end
redis.call('DEL', KEYS[2])
for i = 2, #ARGV, 2 do
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
end
return 1
