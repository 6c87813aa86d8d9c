-- Create a run, or tell what it was created with. First write wins; another schema is left untouched.
-- KEYS: run   ARGV: schema, arena, decay
-- Returns {schema, arena, decay, created}.
if redis.call('EXISTS', KEYS[1]) == 0 then
  local time = redis.call('TIME')
  redis.call('HSET', KEYS[1], 'schema', ARGV[1], 'arena', ARGV[2], 'decay', ARGV[3],
    'created', string.format('%d.%06d', time[1], time[2]))
end
return redis.call('HMGET', KEYS[1], 'schema', 'arena', 'decay', 'created')
