-- Log reports of finished training episodes and fold them into the payoff, each once a ticket.
-- KEYS: run, clients, episodes, payoff, players
-- ARGV: client, number of the first report, then reports as JSON, each [[player, opponent, seat, wins, draws, losses],
--       ...] with players by index; the second report has the next number, and so on
-- Returns how many were recorded: those whose ticket was used before are left out. -1 for an index that no player has,
-- and nothing was recorded.
--
-- The payoff holds a pair once, as the lower index sees it: field "lower:higher", value four little-endian doubles
-- (games, wins, draws, losses). The other direction is its mirror image, bit for bit, since both would undergo the same
-- operations. The arithmetic is that of `matchmaking.payoff.add`, operation by operation, so that a replay is bit-equal.
local seen = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or 0)
local rows, new = {}, {}
for i = 3, #ARGV do
  if tonumber(ARGV[2]) + i - 3 > seen then
    new[#new + 1] = ARGV[i]
    for _, row in ipairs(cjson.decode(ARGV[i])) do
      rows[#rows + 1] = row
    end
  end
end
if #new == 0 then
  return 0
end
local number = redis.call('LLEN', KEYS[5])
local decay = tonumber(redis.call('HGET', KEYS[1], 'decay'))

local fields, places, used = {}, {}, 0
local place_of_row = {}
for i = 1, #rows do
  local a, b = rows[i][1], rows[i][2]
  if a < 0 or b < 0 or a >= number or b >= number then
    return -1
  end
  local games = rows[i][4] + rows[i][5] + rows[i][6]
  if a ~= b and games > 0 then  -- self-play says nothing about win rates
    local field = a < b and a .. ':' .. b or b .. ':' .. a
    local place = places[field]
    if not place then
      used = used + 1
      fields[used], places[field], place = field, used, used
    end
    place_of_row[i] = place
  end
end

local games, wins, draws, losses = {}, {}, {}, {}
local CHUNK = 2000  -- unpack() is limited by Lua's stack
for first = 1, used, CHUNK do
  local last = math.min(first + CHUNK - 1, used)
  local values = redis.call('HMGET', KEYS[4], unpack(fields, first, last))
  for i = first, last do
    local value = values[i - first + 1]
    if value then
      games[i], wins[i], draws[i], losses[i] = struct.unpack('<dddd', value)
    else
      games[i], wins[i], draws[i], losses[i] = 0, 0, 0, 0
    end
  end
end

for r = 1, #rows do
  local row, i = rows[r], place_of_row[r]
  local w, d, l = row[4], row[5], row[6]
  local n = w + d + l
  if i then
    if row[1] > row[2] then
      w, l = l, w
    end
    -- n times "all counters * decay, then + 1", with the n episodes spread evenly over the order: a geometric sum.
    local keep = decay ^ n
    local gain = decay == 1 and n or (1 - keep) / (1 - decay)
    games[i] = games[i] * keep + gain
    wins[i] = wins[i] * keep + w / n * gain
    draws[i] = draws[i] * keep + d / n * gain
    losses[i] = losses[i] * keep + l / n * gain
  end
end

for first = 1, used, CHUNK do
  local written, count = {}, 0
  for i = first, math.min(first + CHUNK - 1, used) do
    written[count + 1] = fields[i]
    written[count + 2] = struct.pack('<dddd', games[i], wins[i], draws[i], losses[i])
    count = count + 2
  end
  redis.call('HSET', KEYS[4], unpack(written, 1, count))
end
for _, report in ipairs(new) do
  redis.call('RPUSH', KEYS[3], report)
end
redis.call('HSET', KEYS[2], ARGV[1], tonumber(ARGV[2]) + #ARGV - 3)
return #new
