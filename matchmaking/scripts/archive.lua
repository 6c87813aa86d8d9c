-- Let go of the oldest entries of a log: they are in a file of the run folder.
-- KEYS: log, archived, segments of this log, hashes that keep fields for these entries
-- ARGV: name of the log, number of the first entry, how many, sha1 of them joined by newlines, record of the file,
--       then for each field to forget the number of its key and the field
-- Returns 1 when done (also for a repeated call), 0 where these are not the oldest entries of the list.
local base = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or 0)
if base ~= tonumber(ARGV[2]) then
  return redis.call('LINDEX', KEYS[3], -1) == ARGV[5] and 1 or 0
end
local count = tonumber(ARGV[3])
local entries = redis.call('LRANGE', KEYS[1], 0, count - 1)
if #entries ~= count or redis.sha1hex(table.concat(entries, '\n')) ~= ARGV[4] then
  return 0
end
redis.call('LTRIM', KEYS[1], count, -1)
redis.call('HSET', KEYS[2], ARGV[1], base + count)
redis.call('RPUSH', KEYS[3], ARGV[5])
for i = 6, #ARGV, 2 do
  redis.call('HDEL', KEYS[tonumber(ARGV[i])], ARGV[i + 1])
end
return 1
