-- trim: forgets entries that the log has, and keeps beside the pool from where on the log is to be read when the
-- pool is reopened. The mark is a field of the pool's hash, so wherever the pool is copied or lost, so is it.
--
-- KEYS  1 outbox   2 pool
-- ARGV  1 the lowest id that stays   2 epoch of the mark, 0 without one   3 its seq   4 its offset in the log
-- gives 1 if the mark was kept, or 0
--
-- The mark's conditions are read before the trim, and it is set after it: a Redis whose memory is full lets a script
-- write on that has begun with what frees some.
local kept = 0
if ARGV[2] ~= '0' then
  local pool = redis.call('HMGET', KEYS[2], 'host', 'epoch')
  local head = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
  local following = ARGV[2] .. '-' .. string.format('%.0f', ARGV[3] + 1)
  if pool[1] and pool[1] ~= '' and pool[2] == ARGV[2] and head and head[1] == following
    and string.find(redis.call('INFO', 'server'), 'run_id:' .. pool[1], 1, true) then
    kept = 1
  end
end
redis.call('XTRIM', KEYS[1], 'MINID', ARGV[1])
if kept == 1 then redis.call('HSET', KEYS[2], 'mark', ARGV[2] .. '-' .. ARGV[3] .. ' ' .. ARGV[4]) end
return kept
