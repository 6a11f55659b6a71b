-- lock: takes, renews or gives back the bank's lock. Declaring a pool dry and funding it exclude each other by
-- it; everything else goes on. It is no entry: it counts nothing.
--
-- KEYS  1 pool   2 outbox   3 pool again (the call's key)
-- ARGV  1 host   2 owner   3 for ms (0: give it back)
-- gives {"ok", now ms, result} or {"fenced", now ms}; the result is one of
--   ok <until ms>
--   held <owner>
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stamp = string.format('%.0f', now)
local pool = redis.call('HMGET', KEYS[1], 'host', 'lock', 'lock_until')
if pool[1] ~= ARGV[1] then return {'fenced', stamp} end
if pool[2] ~= ARGV[2] and now < tonumber(pool[3]) then return {'ok', stamp, 'held ' .. pool[2]} end
local till = '0'
if ARGV[3] ~= '0' then till = string.format('%.0f', now + ARGV[3]) end
redis.call('HSET', KEYS[1], 'lock', ARGV[2], 'lock_until', till)
return {'ok', stamp, 'ok ' .. till}
