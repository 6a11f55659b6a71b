-- around: the player's place and those on each side of it, as of one moment. Writes nothing.
--
-- KEYS  1 scores (zset)
-- ARGV  1 user   2 how many on each side
-- gives {} for somebody who is not ranked, else {rank of the first, counted from 0, user, score, user, score…}
local rank = redis.call('ZREVRANK', KEYS[1], ARGV[1])
if not rank then return {} end
local first = math.max(0, rank - tonumber(ARGV[2]))
local list = redis.call('ZREVRANGE', KEYS[1], first, rank + tonumber(ARGV[2]), 'WITHSCORES')
table.insert(list, 1, first)
return list
