-- audit: tells all that a pool counts. It works on a fenced pool too: whoever reopens it looks first.
--
-- KEYS  1 pool   2 outbox   3 pool again (the call's key)
-- ARGV  1 host
-- gives {"ok", now ms, result}; the result is "mine" or "fenced", then " <pending entries>", then
-- "|<field>|<value>" for each field
local time = redis.call('TIME')
local stamp = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local all = redis.call('HGETALL', KEYS[1])
local whose = 'fenced'
for i = 1, #all, 2 do
  if all[i] == 'host' and all[i + 1] == ARGV[1] then whose = 'mine' end
end
local parts = {whose .. ' ' .. redis.call('XLEN', KEYS[2])}
for i = 1, #all do parts[#parts + 1] = all[i] end
return {'ok', stamp, table.concat(parts, '|')}
