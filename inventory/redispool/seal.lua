-- seal: the first step of reopening. A pool whose host is another server is closed for good by taking its host
-- away, so that nothing can be written to it while the log is compared; the token says who is at it. The next
-- epoch is claimed: whoever seals later claims a higher one, so the fence of one who was overtaken is the lower.
-- A pool that is open here is left alone unless the seal is forced; one that somebody else has sealed and is still at
-- is left alone in any case.
-- A claim that is renewed must be there: a server that took over meanwhile may lack what was restored on another.
--
-- KEYS  1 pool   2 outbox   3 pool again (the call's key)
-- ARGV  1 host   2 token   3 least epoch   4 hold ms: nobody overtakes this token for so long
--       5 the epoch that the token has claimed and goes on holding, or 0: it claims one now
--       6 1: a pool that is open here is closed, too
-- gives {"ok", now ms, result}; the result is one of
--   ok <epoch>    sealed by this token, which has claimed the epoch
--   open          the pool is open on this very server: there is nothing to mend
--   held <token>  somebody else is at it
--   lost          the claim to be renewed is not there
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stamp = string.format('%.0f', now)
local pool = redis.call('HMGET', KEYS[1], 'host', 'epoch', 'claim', 'seal', 'seal_until')
local till = string.format('%.0f', now + ARGV[4])
if ARGV[5] ~= '0' then
  if pool[1] ~= '' or pool[4] ~= ARGV[2] or pool[3] ~= ARGV[5] then return {'ok', stamp, 'lost'} end
  redis.call('HSET', KEYS[1], 'seal_until', till)
  return {'ok', stamp, 'ok ' .. ARGV[5]}
end
if pool[1] == ARGV[1] and ARGV[6] ~= '1' then return {'ok', stamp, 'open'} end
if pool[1] == '' and pool[4] ~= ARGV[2] and now < tonumber(pool[5] or '0') then return {'ok', stamp, 'held ' .. pool[4]} end
local epoch, claim = tonumber(pool[2] or '0'), tonumber(pool[3] or '0')
if pool[4] ~= ARGV[2] or claim <= epoch then claim = math.max(epoch + 1, claim + 1, tonumber(ARGV[3])) end
redis.call('HSET', KEYS[1], 'host', '', 'seal', ARGV[2], 'claim', string.format('%.0f', claim),
  'seal_until', till)
return {'ok', stamp, 'ok ' .. string.format('%.0f', claim)}
