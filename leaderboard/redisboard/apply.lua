-- apply: raises scores of a run's board and moves its positions along, or does nothing where another
-- reader moved them first. A score never falls, so the same call twice changes nothing the second time.
--
-- KEYS  1 scores (zset)   2 state (hash)
-- ARGV  1 how many fields follow   2 "1": move the fields, "0": only check them
--       then for each field: name, value expected ("" for none), value to set
--       then for each player: score, user
-- gives 1, or 0 where a field had another value than expected
local fields = tonumber(ARGV[1])
local first = 3 + 3 * fields
for i = 3, first - 1, 3 do
  if (redis.call('HGET', KEYS[2], ARGV[i]) or '') ~= ARGV[i + 1] then return 0 end
end
-- unpack puts every argument on Lua's stack, which has room for a few thousand.
for i = first, #ARGV, 1000 do
  redis.call('ZADD', KEYS[1], 'GT', unpack(ARGV, i, math.min(i + 999, #ARGV)))
end
if ARGV[2] == '1' then
  for i = 3, first - 1, 3 do
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 2])
  end
end
return 1
