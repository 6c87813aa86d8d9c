-- Register a bot's player, record the bot and supersede the version before it.
-- KEYS: players, player_ids, player_names, bots, bot_states
-- ARGV: id, name, record of the player, record of the bot, number of bots that the caller saw,
--       id of the version before or '', what is written as its state
-- Returns 1 when entered (also for a repeated call), 0 where the number of bots is another, -1 where the name is taken.
if redis.call('HEXISTS', KEYS[4], ARGV[1]) == 1 then
  return 1
end
if redis.call('HLEN', KEYS[4]) ~= tonumber(ARGV[5]) then
  return 0
end
if redis.call('HEXISTS', KEYS[3], ARGV[2]) == 1 or redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 then
  return -1
end
local number = redis.call('RPUSH', KEYS[1], ARGV[3]) - 1
redis.call('HSET', KEYS[2], ARGV[1], number)
redis.call('HSET', KEYS[3], ARGV[2], ARGV[1])
redis.call('HSET', KEYS[4], ARGV[1], ARGV[4])
if ARGV[6] ~= '' then
  local state = string.match(redis.call('HGET', KEYS[5], ARGV[6]) or 'active', '^%S+')
  if state == 'active' or state == 'suspended' then
    redis.call('HSET', KEYS[5], ARGV[6], ARGV[7])
  end
end
return 1
