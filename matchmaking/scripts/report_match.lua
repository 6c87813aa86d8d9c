-- Write the result of a pairing into the log of rated matches, once a pairing, under the newest token only.
-- KEYS: queue, pairings, leases, holders, matches, match_index, tries, expiries   ARGV: id, token, result
-- Returns 'recorded' (also for a repeated call), 'duplicate' or 'refused'.
local written = redis.call('HGET', KEYS[6], ARGV[1])
if written then
  return written == ARGV[2] and 'recorded' or 'duplicate'
end
local token = string.match(redis.call('HGET', KEYS[4], ARGV[1]) or '', '^(%d+) ')
if token ~= ARGV[2] then
  return 'refused'
end
if redis.call('ZREM', KEYS[3], ARGV[1]) == 0 then
  redis.call('LREM', KEYS[1], 1, ARGV[1])
end
redis.call('HDEL', KEYS[4], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[7], ARGV[1])
redis.call('HDEL', KEYS[8], ARGV[1])
redis.call('RPUSH', KEYS[5], ARGV[3])
redis.call('HSET', KEYS[6], ARGV[1], ARGV[2])
return 'recorded'
