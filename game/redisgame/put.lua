-- put: keeps a campaign's copy unless a later version is there: a slow node must not bring back an old one.
--
-- KEYS  1 copy
-- ARGV  1 version   2 document   3 for ms
-- gives 1 if kept, 0 if a later version was there
local version = redis.call('HGET', KEYS[1], 'version')
if version and tonumber(version) > tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'doc', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
