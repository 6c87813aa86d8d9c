-- What a process says of itself, with the server's time before it.
-- KEYS: heartbeats   ARGV: process, record
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], ARGV[1], string.format('%d.%06d ', time[1], time[2]) .. ARGV[2])
return 1
