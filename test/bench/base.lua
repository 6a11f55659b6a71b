-- base: settles one round, with nothing checked but the slice: what the real scripts are compared with.
--
-- KEYS  1 pool   2 outbox   3 player hash
-- ARGV  1 user   2 coins
-- gives the coins left, or -1 where they do not suffice
local left = tonumber(redis.call('HGET', KEYS[1], 'left') or '1000000000000')
local coins = tonumber(ARGV[2])
if left < coins then return -1 end
left = left - coins
redis.call('HSET', KEYS[1], 'left', string.format('%.0f', left))
redis.call('HSET', KEYS[3], 's', '', 'r', ARGV[2])
redis.call('HINCRBY', KEYS[3], 'n', 1)
redis.call('XADD', KEYS[2], '*', 'user', ARGV[1], 'coins', ARGV[2])
return left
