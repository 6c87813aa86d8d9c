-- Register a player once. Its index in the list is its number in the payoff and in the episode log.
-- KEYS: players, player_ids, player_names   ARGV: id, name, record
-- Returns {index, record} of the player with this id, or {-1, id of the other player} where the name is taken.
local index = redis.call('HGET', KEYS[2], ARGV[1])
if index then
  return {tonumber(index), redis.call('LINDEX', KEYS[1], index)}
end
local owner = redis.call('HGET', KEYS[3], ARGV[2])
if owner then
  return {-1, owner}
end
local number = redis.call('RPUSH', KEYS[1], ARGV[3]) - 1
redis.call('HSET', KEYS[2], ARGV[1], number)
redis.call('HSET', KEYS[3], ARGV[2], ARGV[1])
return {number, ARGV[3]}
