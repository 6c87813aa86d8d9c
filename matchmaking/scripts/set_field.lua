-- Set a field of a hash: a learner's status, a fact of the run.
-- KEYS: hash   ARGV: field, value, 1 to keep a value that is there or 0
-- Returns the value that stands there now.
if ARGV[3] == '1' then
  redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
return redis.call('HGET', KEYS[1], ARGV[1])
