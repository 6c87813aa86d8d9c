-- Change whether a bot is matched, once a ticket.
-- KEYS: clients, bots, bot_states, bot_streaks   ARGV: client, number, id, state, reason, then states to change from
-- Returns 1 when changed (also for a repeated call), 0 where the bot is in none of those states, -1 for no such bot.
local seen = redis.call('HGET', KEYS[1], ARGV[1])
if seen and tonumber(ARGV[2]) <= tonumber(seen) then
  return 1
end
if redis.call('HEXISTS', KEYS[2], ARGV[3]) == 0 then
  return -1
end
local state = string.match(redis.call('HGET', KEYS[3], ARGV[3]) or 'active', '^%S+')
for i = 6, #ARGV do
  if ARGV[i] == state then
    redis.call('HSET', KEYS[3], ARGV[3], ARGV[4] .. ' ' .. ARGV[5])
    if ARGV[4] == 'active' then
      redis.call('HDEL', KEYS[4], ARGV[3])
    end
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
    return 1
  end
end
return 0
