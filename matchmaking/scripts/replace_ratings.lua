-- Put recomputed ratings and curves, which were set aside, in place of the stored ones, unless others came meanwhile.
-- KEYS: fold, ratings, rating_history, archived, segments of the history, the new ratings, the new curves
-- ARGV: id of this call, position in the log of matches, number of ratings, number of points
-- Returns 1 when replaced (also for a repeated call), 0 where the position is another or what was set aside is gone.
local commit, position = unpack(redis.call('HMGET', KEYS[1], 'commit', 'position'))
if commit == ARGV[1] then
  return 1
end
if tonumber(position or 0) ~= tonumber(ARGV[2]) or redis.call('HLEN', KEYS[6]) ~= tonumber(ARGV[3])
    or redis.call('LLEN', KEYS[7]) ~= tonumber(ARGV[4]) then
  return 0
end
redis.call('DEL', KEYS[2], KEYS[3], KEYS[5])
redis.call('HDEL', KEYS[4], 'rating_history')
for new, old in pairs({[KEYS[6]] = KEYS[2], [KEYS[7]] = KEYS[3]}) do
  if redis.call('PERSIST', new) == 1 then
    redis.call('RENAME', new, old)
  end
end
redis.call('HSET', KEYS[1], 'commit', ARGV[1])
return 1
