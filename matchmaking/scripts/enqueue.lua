-- Queue pairings, each id once for all time.
-- KEYS: queue, pairings, match_index, dropped
-- ARGV: the largest queue to which may be added (-1: any), RPUSH or LPUSH, then id, record, ...
-- Returns how many were added.
local limit = tonumber(ARGV[1])
if limit >= 0 and redis.call('LLEN', KEYS[1]) > limit then
  return 0
end
local added = 0
for i = 3, #ARGV, 2 do
  local id = ARGV[i]
  if redis.call('HEXISTS', KEYS[3], id) == 0 and redis.call('HEXISTS', KEYS[4], id) == 0
      and redis.call('HSETNX', KEYS[2], id, ARGV[i + 1]) == 1 then
    redis.call(ARGV[2], KEYS[1], id)
    added = added + 1
  end
end
return added
