-- dry: lets a shard pay less than computed, because no coin is left anywhere else; or takes that back.
--
-- KEYS  1 pool   2 outbox   3 pool again (the call's key)
-- ARGV  1 host   2 dry (1 or 0)   3 until ms: too late after this time (0: never)
-- gives {"ok", now ms, result} or {"fenced", now ms}; the result is "ok" or "expired"
local POOL, OUT = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stamp = string.format('%.0f', now)
local pool = redis.call('HMGET', POOL, 'host', 'epoch', 'seq', 'left', 'issued', 'funded', 'sent', 'received', 'dry')
if pool[1] ~= ARGV[1] then return {'fenced', stamp} end
if pool[9] == ARGV[2] then
  redis.call('HSET', POOL, 'dry', pool[9]) -- a write for the WAIT to follow
  return {'ok', stamp, 'ok'}
end
if ARGV[3] ~= '0' and now > tonumber(ARGV[3]) then return {'ok', stamp, 'expired'} end
local seq = string.format('%.0f', pool[3] + 1)
pool[9] = ARGV[2]
-- The entry goes first: where the outbox is not what it should be, nothing else is written.
redis.call('XADD', OUT, pool[2] .. '-' .. seq, 'k', 'dry', 't', stamp, 's', table.concat(pool, ' ', 4, 9), 'd', '')
redis.call('HSET', POOL, 'dry', pool[9], 'need', '0', 'seq', seq)
return {'ok', stamp, 'ok'}
