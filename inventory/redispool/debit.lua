-- debit: the sending side of a transfer. Transfers are numbered per peer; this side accepts exactly the next
-- number, and tells the amount of the last one again.
--
-- KEYS  1 pool   2 outbox   3 pool again (the call's key)
-- ARGV  1 host   2 peer   3 number   4 want: coins   5 part: at least one part-th of what is left (0: no part)
-- gives {"ok", now ms, result} or {"fenced", now ms}; the result is one of
--   ok <amount>    that many coins are on their way, now or before
--   stale <last>   the number is neither the next one nor the last
--   empty          nothing is left
local POOL, OUT = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local stamp = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local field = 'to:' .. ARGV[2]
local pool = redis.call('HMGET', POOL, 'host', 'epoch', 'seq', 'left', 'issued', 'funded', 'sent', 'received', 'dry', field)
if pool[1] ~= ARGV[1] then return {'fenced', stamp} end
local number, last, lastAmount = tonumber(ARGV[3]), 0, '0'
if pool[10] then
  last, lastAmount = string.match(pool[10], '^(%d+) (%d+)$')
  last = tonumber(last)
end
if number == last and last > 0 then
  redis.call('HSET', POOL, field, pool[10]) -- a write for the WAIT to follow
  return {'ok', stamp, 'ok ' .. lastAmount}
end
if number ~= last + 1 then return {'ok', stamp, 'stale ' .. last} end
local left, part = tonumber(pool[4]), tonumber(ARGV[5])
local amount = tonumber(ARGV[4])
if part > 0 then amount = math.max(amount, math.floor(left / part)) end
amount = math.min(left, amount)
if amount <= 0 then return {'ok', stamp, 'empty'} end
local text = string.format('%.0f', amount)
local seq = string.format('%.0f', pool[3] + 1)
pool[4], pool[7] = string.format('%.0f', left - amount), string.format('%.0f', pool[7] + amount)
-- The entry goes first: where the outbox is not what it should be, nothing else is written.
redis.call('XADD', OUT, pool[2] .. '-' .. seq, 'k', 'debit', 't', stamp,
  's', table.concat(pool, ' ', 4, 9), 'd', ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. text)
redis.call('HSET', POOL, 'left', pool[4], 'sent', pool[7], field, ARGV[3] .. ' ' .. text, 'seq', seq)
return {'ok', stamp, 'ok ' .. text}
