-- Heartbeat of a lease: move its deadline. A lease that expired and waits in the queue is taken back; one that another
-- worker got meanwhile is lost.
-- KEYS: queue, leases, holders, expiries   ARGV: id, token, seconds
-- Returns the new deadline, or nothing where the lease is lost.
local token = string.match(redis.call('HGET', KEYS[3], ARGV[1]) or '', '^(%d+) ')
if token ~= ARGV[2] then
  return false
end
local time = redis.call('TIME')
local deadline = string.format('%.6f', tonumber(time[1]) + tonumber(time[2]) / 1000000 + tonumber(ARGV[3]))
if redis.call('ZADD', KEYS[2], deadline, ARGV[1]) == 1 then
  if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 1 then
    redis.call('HINCRBY', KEYS[4], ARGV[1], -1)  -- its worker lives: this expiry says nothing against the pairing
  end
end
return deadline
