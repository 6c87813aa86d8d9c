-- Put a recomputed payoff, which was set aside, in place of the stored one, unless the log has grown since.
-- KEYS: episodes, payoff, archived, fold, the new payoff   ARGV: id of this call, length of the log that was folded, pairs
-- Returns 1 when replaced (also for a repeated call), 0 when the log has another length or what was set aside is gone.
if redis.call('HGET', KEYS[4], 'payoff') == ARGV[1] then
  return 1
end
local moved = tonumber(redis.call('HGET', KEYS[3], 'episodes') or 0)  -- into files
if moved + redis.call('LLEN', KEYS[1]) ~= tonumber(ARGV[2]) or redis.call('HLEN', KEYS[5]) ~= tonumber(ARGV[3]) then
  return 0
end
redis.call('DEL', KEYS[2])
if redis.call('PERSIST', KEYS[5]) == 1 then
  redis.call('RENAME', KEYS[5], KEYS[2])
end
redis.call('HSET', KEYS[4], 'payoff', ARGV[1])
return 1
