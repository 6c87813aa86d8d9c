-- End a lease without a result: back to the end of the queue, or out of it for good with a reason. Rates nobody.
-- KEYS: queue, pairings, leases, holders, dropped, tries, expiries
-- ARGV: id, token, record of the drop, how many aborts give the pairing up (0: none, and this one is not counted)
-- Returns 1 when done, 0 where the lease is not (or no longer) the caller's.
local token = string.match(redis.call('HGET', KEYS[4], ARGV[1]) or '', '^(%d+) ')
if token ~= ARGV[2] then
  return 0
end
local waiting = redis.call('ZREM', KEYS[3], ARGV[1]) == 0  -- it expired and lies in the queue already
redis.call('HDEL', KEYS[4], ARGV[1])
local limit = tonumber(ARGV[4])
if limit > 0 and redis.call('HINCRBY', KEYS[6], ARGV[1], 1) >= limit then
  if waiting then
    redis.call('LREM', KEYS[1], 1, ARGV[1])
  end
  redis.call('HDEL', KEYS[2], ARGV[1])
  redis.call('HDEL', KEYS[6], ARGV[1])
  redis.call('HDEL', KEYS[7], ARGV[1])
  redis.call('HSET', KEYS[5], ARGV[1], ARGV[3])
elseif not waiting then
  redis.call('RPUSH', KEYS[1], ARGV[1])
end
return 1
