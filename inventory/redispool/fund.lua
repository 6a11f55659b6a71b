-- fund: brings coins into the bank from outside, or takes them out. Each funding has its number; the bank
-- accepts exactly the next one, and tells again what the last one brought: whoever comes first with a number decides.
--
-- KEYS  1 pool   2 outbox   3 pool again (the call's key)
-- ARGV  1 host   2 number   3 amount (negative: out)   4 owner of the bank's lock
-- gives {"ok", now ms, result} or {"fenced", now ms}; the result is one of
--   ok <amount>    funded, now or before, with so much
--   stale <last>   the number is not the next one
--   short <left>   there is less in the bank than is to be taken out
--   locked         the owner does not hold the lock: somebody may be declaring the pool dry
local POOL, OUT = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stamp = string.format('%.0f', now)
local pool = redis.call('HMGET', POOL, 'host', 'epoch', 'seq', 'left', 'issued', 'funded', 'sent', 'received', 'dry', 'funding', 'lock', 'lock_until')
if pool[1] ~= ARGV[1] then return {'fenced', stamp} end
local number, amount = tonumber(ARGV[2]), tonumber(ARGV[3])
local last, given = string.match(pool[10], '^(%d+) (-?%d+)$')
last = tonumber(last)
if number == last then
  redis.call('HSET', POOL, 'funding', pool[10]) -- a write for the WAIT to follow
  return {'ok', stamp, 'ok ' .. given}
end
if number ~= last + 1 then return {'ok', stamp, 'stale ' .. last} end
if pool[11] ~= ARGV[4] or now >= tonumber(pool[12]) then return {'ok', stamp, 'locked'} end
if tonumber(pool[4]) + amount < 0 then return {'ok', stamp, 'short ' .. pool[4]} end
local seq = string.format('%.0f', pool[3] + 1)
pool[4], pool[6] = string.format('%.0f', pool[4] + amount), string.format('%.0f', pool[6] + amount)
-- The entry goes first: where the outbox is not what it should be, nothing else is written.
redis.call('XADD', OUT, pool[2] .. '-' .. seq, 'k', 'fund', 't', stamp,
  's', table.concat(pool, ' ', 4, 9), 'd', ARGV[2] .. ' ' .. ARGV[3])
redis.call('HSET', POOL, 'left', pool[4], 'funded', pool[6], 'funding', ARGV[2] .. ' ' .. ARGV[3], 'seq', seq)
return {'ok', stamp, 'ok ' .. ARGV[3]}
