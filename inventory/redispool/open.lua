-- open: the last step of opening or reopening. The pool belongs to this server from here on, in a new epoch,
-- and says so in its first entry.
--
-- KEYS  1 pool   2 outbox   3 pool again (the call's key)
-- ARGV  1 host   2 token   3 the epoch that the token has claimed   4 where the next reopening may begin in the
--       log, as trim keeps it; empty: where the run began
-- gives {"ok", now ms, result}; the result is one of
--   ok     open in the new epoch
--   lost   somebody else has sealed or opened the pool since
local POOL, OUT = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local stamp = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local pool = redis.call('HMGET', POOL, 'host', 'seal', 'epoch', 'seq', 'left', 'issued', 'funded', 'sent', 'received', 'dry', 'funding', 'claim')
if pool[1] ~= '' or pool[2] ~= ARGV[2] or pool[12] ~= ARGV[3] then
  local mine = pool[1] == ARGV[1] and pool[2] == ARGV[2] and pool[3] == ARGV[3]
  return {'ok', stamp, mine and 'ok' or 'lost'}
end
for i = 3, 10 do pool[i] = pool[i] or '0' end
pool[11] = pool[11] or '0 0'
local seq = string.format('%.0f', pool[4] + 1)
-- The entry goes first: where the outbox is not what it should be, nothing else is written.
redis.call('XADD', OUT, ARGV[3] .. '-' .. seq, 'k', 'open', 't', stamp,
  's', table.concat(pool, ' ', 5, 10), 'd', ARGV[1] .. ' ' .. pool[3] .. ' ' .. pool[4])
redis.call('HSET', POOL, 'host', ARGV[1], 'epoch', ARGV[3], 'seq', seq, 'reopened_at', stamp, 'left', pool[5],
  'issued', pool[6], 'funded', pool[7], 'sent', pool[8], 'received', pool[9], 'dry', pool[10], 'funding', pool[11],
  'mark', ARGV[4], 'need', '0', 'lock', '', 'lock_until', '0')
return {'ok', stamp, 'ok'}
