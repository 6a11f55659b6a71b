-- start: begins rounds of one shard's players.
--
-- KEYS  1 pool   2 outbox   3… player hashes, one a call
-- ARGV  1 host   2 starts_at ms   3 ends_at ms   4 round ms   5 late ms
--       then for each call: user, number, granted chances, closed (1: the pool takes no new rounds)
-- gives {"ok", now ms, result…} or {"fenced", now ms}; a result is one of
--   ok <started at ms> <epoch>   the round is open: begun now, or before with the same number
--   wrong <next number>          the number is neither the next one nor the open one
--   open <number>                the open round must end or run out first
--   early | late                 outside the campaign's window
--   none                         no chance left
--   empty                        the pool takes no new rounds
--   error <text>                 the player's key is not what it should be
local POOL, OUT = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stamp = string.format('%d', now)
local pool = redis.call('HMGET', POOL, 'host', 'epoch', 'seq', 'reopened_at', 'left', 'issued', 'funded', 'sent', 'received', 'dry')
if pool[1] ~= ARGV[1] then return {'fenced', stamp} end
local epoch, seq, reopened = pool[2], tonumber(pool[3]), tonumber(pool[4])
local starts, ends, round, late = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])

local results, writes, lines = {'ok', stamp}, {}, {}
for i = 3, #KEYS do
  local a = 6 + (i - 3) * 4
  local number, granted = tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2])
  local p = redis.pcall('HMGET', KEYS[i], 'n', 's', 'e')
  local result
  if p.err then
    result = 'error ' .. p.err
  else
    local last, started = tonumber(p[1]) or 0, tonumber(p[2] or '')
    local open = started and now <= math.max(started + round, reopened) + late
    if number == last and open then result = 'ok ' .. p[2] .. ' ' .. p[3]
    elseif number ~= last + 1 then result = 'wrong ' .. last + 1
    elseif open then result = 'open ' .. last
    elseif now < starts then result = 'early'
    elseif now >= ends then result = 'late'
    elseif number > granted then result = 'none'
    elseif ARGV[a + 3] == '1' then result = 'empty'
    else
      result = 'ok ' .. stamp .. ' ' .. epoch
      writes[#writes + 1] = {KEYS[i], ARGV[a + 1]}
      lines[#lines + 1] = ARGV[a] .. ' ' .. ARGV[a + 1]
    end
  end
  results[#results + 1] = result
end

if #writes > 0 then
  seq = string.format('%d', seq + 1)
  -- The entry goes first: where the outbox is not what it should be, nothing else is written.
  redis.call('XADD', OUT, epoch .. '-' .. seq, 'k', 'start', 't', stamp,
    's', table.concat(pool, ' ', 5, 10), 'd', table.concat(lines, '\n'))
  for _, w in ipairs(writes) do
    redis.call('HSET', w[1], 'n', w[2], 's', stamp, 'e', epoch)
  end
  redis.call('HSET', POOL, 'seq', seq)
end
return results
