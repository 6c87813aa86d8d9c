-- Hand out a pairing to a worker until a deadline. Expired leases first go back into the queue: to its head, so that they
-- wait for nothing but a worker, or to its end from the third time on, so that a pairing that kills its workers cannot
-- starve the others.
-- Where the server's clock was set back, all deadlines go back with it: nobody who died is waited for until then.
-- KEYS: run, queue, pairings, leases, holders, requests, expiries   ARGV: worker, request, seconds
-- Returns {record, token, deadline, how many leases on it have expired}, or nothing where there is nothing to play. A
-- repeated request gets its lease again.
local function answer(id, token, deadline)
  return {redis.call('HGET', KEYS[3], id), token, deadline, tonumber(redis.call('HGET', KEYS[7], id) or 0)}
end

local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000

local last = tonumber(redis.call('HGET', KEYS[1], 'clock') or 0)
if now < last - 1 then
  for _, id in ipairs(redis.call('ZRANGE', KEYS[4], 0, -1)) do
    redis.call('ZINCRBY', KEYS[4], string.format('%.6f', now - last), id)
  end
end
if math.abs(now - last) > 1 then
  redis.call('HSET', KEYS[1], 'clock', string.format('%.6f', now))
end

local request, held = string.match(redis.call('HGET', KEYS[6], ARGV[1]) or '', '^(%S+) (%S+)$')
if request == ARGV[2] then
  local token, worker = string.match(redis.call('HGET', KEYS[5], held) or '', '^(%d+) (.*)$')
  local deadline = redis.call('ZSCORE', KEYS[4], held)
  if deadline and worker == ARGV[1] then
    return answer(held, tonumber(token), deadline)
  end
  return false
end

local expired = redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', string.format('%.6f', now), 'LIMIT', 0, 100)
for i = #expired, 1, -1 do  -- the one that expired first comes first
  redis.call('ZREM', KEYS[4], expired[i])
  local times = redis.call('HINCRBY', KEYS[7], expired[i], 1)
  redis.call(times <= 2 and 'LPUSH' or 'RPUSH', KEYS[2], expired[i])
end
local id = redis.call('LPOP', KEYS[2])
if not id then
  return false
end
local token = redis.call('HINCRBY', KEYS[1], 'token', 1)
local deadline = string.format('%.6f', now + tonumber(ARGV[3]))
redis.call('ZADD', KEYS[4], deadline, id)
redis.call('HSET', KEYS[5], id, token .. ' ' .. ARGV[1])
redis.call('HSET', KEYS[6], ARGV[1], ARGV[2] .. ' ' .. id)
return answer(id, token, deadline)
