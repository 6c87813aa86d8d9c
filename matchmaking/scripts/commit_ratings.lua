-- Store ratings and the position in the log of matches that they stand for, together.
-- KEYS: fold, ratings, rating_history
-- ARGV: id of this commit, expected position, new position,
--       number of ratings, then player, rating, ..., then the points of the curves
-- Returns 1 when committed (also for a repeated call), 0 where the stored position is another.
local commit, position = unpack(redis.call('HMGET', KEYS[1], 'commit', 'position'))
if commit == ARGV[1] then
  return 1
end
if tonumber(position or 0) ~= tonumber(ARGV[2]) then
  return 0
end
local last = 4 + 2 * tonumber(ARGV[4])
for i = 5, last, 2 do
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
end
for i = last + 1, #ARGV do
  redis.call('RPUSH', KEYS[3], ARGV[i])
end
redis.call('HSET', KEYS[1], 'commit', ARGV[1], 'position', ARGV[3])
return 1
