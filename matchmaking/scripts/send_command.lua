-- Append a command to the list that all processes read, once a ticket.
-- KEYS: clients, commands   ARGV: client, number, record
local seen = redis.call('HGET', KEYS[1], ARGV[1])
if seen and tonumber(ARGV[2]) <= tonumber(seen) then
  return 0
end
redis.call('RPUSH', KEYS[2], ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
