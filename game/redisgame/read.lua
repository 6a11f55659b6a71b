-- read: tells where players of one shard stand. Changes nothing.
--
-- KEYS  1 pool   2… player hashes, one a call
-- ARGV  1 host
-- gives {"ok", now ms, result…} or {"fenced", now ms}; a result is
--   ok <reopened at ms>|<last number>|<open round started at ms>|<its epoch>|<coins of claims paid
--   beside the last round>|<facts of the last result>
--   error <text>
local time = redis.call('TIME')
local stamp = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local pool = redis.call('HMGET', KEYS[1], 'host', 'reopened_at')
if pool[1] ~= ARGV[1] then return {'fenced', stamp} end
local results = {'ok', stamp}
for i = 2, #KEYS do
  local p = redis.pcall('HMGET', KEYS[i], 'n', 's', 'e', 'c', 'r')
  if p.err then
    results[#results + 1] = 'error ' .. p.err
  else
    -- A result must not be told before it is on the replicas: this write puts the WAIT behind it.
    if p[4] or p[5] then redis.call('HSET', KEYS[i], 'n', p[1] or '0') end
    results[#results + 1] = 'ok ' .. pool[2] .. '|' .. (p[1] or '0') .. '|' .. (p[2] or '') .. '|' .. (p[3] or '') .. '|' .. string.match(p[4] or '0', '^%d*') .. '|' .. (p[5] or '')
  end
end
return results
