-- Store ratings and the position in the log of matches that they stand for, together.
-- KEYS: fold, ratings, rating_history, archived, segments of the history
-- ARGV: id of this commit, expected position, new position, 1 to begin anew or 0,
--       number of ratings, then player, rating, ..., then the points of the curves
-- Returns 1 when committed (also for a repeated call), 0 where the stored position is another.
local commit, position = unpack(redis.call('HMGET', KEYS[1], 'commit', 'position'))
if commit == ARGV[1] then
  return 1
end
if tonumber(position or 0) ~= tonumber(ARGV[2]) then
  return 0
end
if ARGV[4] == '1' then
  redis.call('DEL', KEYS[2], KEYS[3], KEYS[5])
  redis.call('HDEL', KEYS[4], 'rating_history')
end
local last = 5 + 2 * tonumber(ARGV[5])
for i = 6, last, 2 do
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
end
for i = last + 1, #ARGV do
  redis.call('RPUSH', KEYS[3], ARGV[i])
end
redis.call('HSET', KEYS[1], 'commit', ARGV[1], 'position', ARGV[3])
return 1
