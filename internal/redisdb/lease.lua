-- lease: takes or renews the right to do some work.
--
-- KEYS  1 lease
-- ARGV  1 owner   2 for ms
-- gives 1 if the owner has it now, 0 if somebody else has
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
