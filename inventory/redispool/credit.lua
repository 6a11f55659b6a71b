-- credit: the receiving side of a transfer. It accepts exactly the next number from a peer, and says yes again
-- to the last. Coins that arrive end a drought.
--
-- KEYS  1 pool   2 outbox   3 pool again (the call's key)
-- ARGV  1 host   2 peer   3 number   4 amount
-- gives {"ok", now ms, result} or {"fenced", now ms}; the result is one of
--   ok             counted, now or before
--   stale <last>   the number is neither the next one nor the last
local POOL, OUT = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local stamp = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local field = 'from:' .. ARGV[2]
local pool = redis.call('HMGET', POOL, 'host', 'epoch', 'seq', 'left', 'issued', 'funded', 'sent', 'received', 'dry', field)
if pool[1] ~= ARGV[1] then return {'fenced', stamp} end
local number, last = tonumber(ARGV[3]), tonumber(pool[10] or '0')
if number == last and last > 0 then
  redis.call('HSET', POOL, field, pool[10]) -- a write for the WAIT to follow
  return {'ok', stamp, 'ok'}
end
if number ~= last + 1 then return {'ok', stamp, 'stale ' .. last} end
local seq = string.format('%.0f', pool[3] + 1)
pool[4], pool[8], pool[9] = string.format('%.0f', pool[4] + ARGV[4]), string.format('%.0f', pool[8] + ARGV[4]), '0'
-- The entry goes first: where the outbox is not what it should be, nothing else is written.
redis.call('XADD', OUT, pool[2] .. '-' .. seq, 'k', 'credit', 't', stamp,
  's', table.concat(pool, ' ', 4, 9), 'd', ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4])
redis.call('HSET', POOL, 'left', pool[4], 'received', pool[8], 'dry', '0', 'need', '0', field, ARGV[3], 'seq', seq)
return {'ok', stamp, 'ok'}
