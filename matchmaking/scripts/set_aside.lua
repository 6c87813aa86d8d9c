-- Keep a piece of what is too much for one command, until it is put in place or nobody has come back to it for a while.
-- KEYS: where   ARGV: `hash` or `list`, seconds to keep it, how many elements are there, then elements (field, value)
-- Returns how many elements are there now, also for a repeated call.
local hash, there = ARGV[1] == 'hash', tonumber(ARGV[3])
if hash then
  for i = 4, #ARGV, 2 do
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
elseif redis.call('LLEN', KEYS[1]) == there then
  for i = 4, #ARGV do
    redis.call('RPUSH', KEYS[1], ARGV[i])
  end
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return hash and redis.call('HLEN', KEYS[1]) or redis.call('LLEN', KEYS[1])
