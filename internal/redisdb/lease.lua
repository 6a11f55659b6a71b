-- lease: takes or renews the right to do some work.
--
-- KEYS  1 lease
-- ARGV  1 owner   2 for ms
-- gives 1 if the owner has it now, 0 if somebody else has
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
if redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]).err then
  -- A server whose memory is full takes no SET, but for a script that has written already, and a DEL it always takes.
  -- Relays free memory and need their lease for it.
  redis.call('DEL', KEYS[1])
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return 1
