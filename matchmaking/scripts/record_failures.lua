-- Enter how a bot fared in the matches of a pairing, once a pairing.
-- KEYS: bots, failures of this bot, bot_streaks, bot_failed
-- ARGV: id, pairing, how many records are kept, a letter a match (x: failed), then failure records
-- Returns the most matches in a row that the bot had failed at any moment of the pairing, -1 for no such bot.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  return -1
end
local field = ARGV[1] .. ' ' .. ARGV[2]
local answer = redis.call('HGET', KEYS[4], field)
if answer then
  return tonumber(answer)
end
local streak = tonumber(redis.call('HGET', KEYS[3], ARGV[1]) or 0)
local longest = 0
for i = 1, #ARGV[4] do
  streak = string.sub(ARGV[4], i, i) == 'x' and streak + 1 or 0
  longest = math.max(longest, streak)
end
for i = 5, #ARGV do
  redis.call('RPUSH', KEYS[2], ARGV[i])
end
redis.call('LTRIM', KEYS[2], -tonumber(ARGV[3]), -1)
if streak > 0 then
  redis.call('HSET', KEYS[3], ARGV[1], streak)
else
  redis.call('HDEL', KEYS[3], ARGV[1])
end
redis.call('HSET', KEYS[4], field, longest)
return longest
