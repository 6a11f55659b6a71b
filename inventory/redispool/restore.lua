-- restore: brings a sealed pool and some of its players to where the log says they are. It sets values rather
-- than adding to them, so it may come twice.
--
-- KEYS  1 pool   2 outbox   3 pool again (the call's key)   4… player hashes
-- ARGV  1 host   2 token   3 number of pool arguments   then those: field, value, …
--       then for each player: last number, open round started at ms, its epoch, facts of the last result, coins of
--       claims paid beside that, and which those were: " <epoch>.<number>.<seq>" each; "-" leaves a field as it is
-- gives {"ok", now ms, result}; the result is "ok" or "lost": somebody else has sealed the pool since
local time = redis.call('TIME')
local stamp = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local seal = redis.call('HMGET', KEYS[1], 'host', 'seal')
if seal[1] ~= '' or seal[2] ~= ARGV[2] then return {'ok', stamp, 'lost'} end
local fields = tonumber(ARGV[3])
local names = {'n', 's', 'e', 'r'}
for i = 4, #KEYS do
  local a = 4 + fields + (i - 4) * 6
  local set = {}
  for j = 1, 4 do
    if ARGV[a + j - 1] ~= '-' then
      set[#set + 1] = names[j]
      set[#set + 1] = ARGV[a + j - 1]
    end
  end
  -- What claim.lua keeps: the coins, up to where the ledger had read, and the claims, of which some may be here.
  local extra, claims = ARGV[a + 4], ARGV[a + 5]
  local kept = redis.call('HGET', KEYS[i], 'c')
  if extra ~= '-' and (kept or extra ~= '0' or claims ~= '-') then
    local rest = kept and string.match(kept, '^%d+( .*)$') or ' 0'
    if claims ~= '-' then
      for one in string.gmatch(claims, ' %d+%.%d+%.%d+') do
        if not string.find(rest .. ' ', one .. ' ', 1, true) then rest = rest .. one end
      end
    end
    set[#set + 1] = 'c'
    set[#set + 1] = extra .. rest
  end
  if #set > 0 then redis.call('HSET', KEYS[i], unpack(set)) end
end
if fields > 0 then redis.call('HSET', KEYS[1], unpack(ARGV, 4, 3 + fields)) end
return {'ok', stamp, 'ok'}
