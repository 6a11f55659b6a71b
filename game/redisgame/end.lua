-- end: settles rounds of one shard's players: check, debit, count, entry, in one step.
--
-- KEYS  1 pool   2 outbox   3… player hashes, one a call
-- ARGV  1 host   2 round ms   3 late ms   4 early ms: no round may end sooner after its start
--       5 cap of a player's coins in the run (0: none)   6 grace ms: so much later may an end come that came in time
--       before and found its slice short
--       then for each call: user, number, started at ms, start epoch, shakes, elapsed ms (counted),
--       computed coins, granted chances
-- gives {"ok", now ms, result…} or {"fenced", now ms}; a result is one of
--   ok <facts>      settled, now or before with the same shakes; facts are number, shakes, elapsed, computed,
--                   paid, total, chances left, ms from start to settling, epoch, seq, started at, start epoch:
--                   within 64 bytes, beyond which Redis spends a tenth more on the player's hash
--   conflict        settled before with other shakes
--   old             a later round is settled already, or its claim paid this one: ask the ledger
--   early | late    outside the round's window
--   skew <ms>       the caller's clock is off: its elapsed time can't be right; ms is the real one
--   short <coins>   the slice can't pay that much in full: draw, and send again
--   error <text>    the player's key is not what it should be
--
-- %d prints whole numbers as exactly as %.0f (they stay far below 2^53), and a call costs 3 to 4 % less by it.
local POOL, OUT = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stamp = string.format('%d', now)
local pool = redis.call('HMGET', POOL, 'host', 'epoch', 'seq', 'reopened_at', 'left', 'issued', 'funded', 'sent', 'received', 'dry', 'need')
if pool[1] ~= ARGV[1] then return {'fenced', stamp} end
local epoch, reopened = pool[2], tonumber(pool[4])
local left, issued, dry = tonumber(pool[5]), tonumber(pool[6]), pool[10] == '1'
local need = tonumber(pool[11]) or 0
local seq = string.format('%d', pool[3] + 1)
local round, late, early, cap = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local grace = tonumber(ARGV[6])

local results, writes, lines, touched, waits, short = {'ok', stamp}, {}, {}, {}, {}, 0
for i = 3, #KEYS do
  local a = 7 + (i - 3) * 8
  local number, started = tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2])
  local elapsed, computed = tonumber(ARGV[a + 5]), tonumber(ARGV[a + 6])
  local p = redis.pcall('HMGET', KEYS[i], 'n', 'r', 'w', 'c')
  local result
  if p.err then
    result = 'error ' .. p.err
  else
    local last, settled, shakes, total = tonumber(p[1]) or 0, 0, nil, 0
    if p[2] then
      settled, shakes, total = string.match(p[2], '^(%d+) (%d+) %d+ %d+ %d+ (%d+)')
      settled, total = settled and tonumber(settled), total and tonumber(total)
    end
    local claimed, beside -- rounds paid by claims beside the last one: see claim.lua
    if p[4] and settled then
      local extra, rest = string.match(p[4], '^(%d+)( .*)$')
      claimed = string.find(rest, ' ' .. ARGV[a + 3] .. '.' .. ARGV[a + 1] .. '.', 1, true)
      if extra ~= '0' then total, beside = total + extra, '0' .. rest end
    end
    local real = math.min(now - started, round)
    if not settled then result = 'error unreadable facts'
    elseif number == settled then
      if shakes == ARGV[a + 4] then
        result = 'ok ' .. p[2]
        touched[#touched + 1] = {KEYS[i], p[1]}
      else result = 'conflict' end
    elseif number < settled or claimed then result = 'old'
    elseif number < last then result = 'late'
    elseif now < started + early then result = 'early'
    elseif now > math.max(started + round, reopened) + late + (p[3] == ARGV[a + 1] and grace or 0) then result = 'late'
    elseif elapsed > real + 100 or elapsed < real - 2000 then result = 'skew ' .. string.format('%d', real)
    else
      local paid = computed
      if cap > 0 then paid = math.max(0, math.min(paid, cap - total)) end
      if paid > left and dry then paid = left end
      if paid > left then
        short = math.max(short, paid)
        result = 'short ' .. string.format('%d', paid)
        if p[3] ~= ARGV[a + 1] then waits[#waits + 1] = {KEYS[i], ARGV[a + 1]} end
      else
        left, issued, total = left - paid, issued + paid, total + paid
        local chances = math.max(0, tonumber(ARGV[a + 7]) - number)
        local sums, took = string.format('%d %d %d', paid, total, chances), string.format('%d', now - started)
        local play = ARGV[a + 4] .. ' ' .. ARGV[a + 5] .. ' ' .. ARGV[a + 6]
        local facts = ARGV[a + 1] .. ' ' .. play .. ' ' .. sums .. ' ' .. took .. ' ' .. epoch .. ' ' .. seq
          .. ' ' .. ARGV[a + 2] .. ' ' .. ARGV[a + 3]
        result = 'ok ' .. facts
        writes[#writes + 1] = {KEYS[i], ARGV[a + 1], facts, beside}
        lines[#lines + 1] = ARGV[a] .. ' ' .. ARGV[a + 1] .. ' ' .. ARGV[a + 3] .. ' ' .. ARGV[a + 2] .. ' ' .. play .. ' ' .. sums
      end
    end
  end
  results[#results + 1] = result
end

if #writes > 0 then
  pool[5], pool[6] = string.format('%d', left), string.format('%d', issued)
  -- The entry goes first: where the outbox is not what it should be, nothing else is written.
  redis.call('XADD', OUT, epoch .. '-' .. seq, 'k', 'end', 't', stamp,
    's', table.concat(pool, ' ', 5, 10), 'd', table.concat(lines, '\n'))
  for _, w in ipairs(writes) do
    redis.call('HSET', w[1], 'n', w[2], 's', '', 'r', w[3])
    if w[4] then redis.call('HSET', w[1], 'c', w[4]) end
  end
  redis.call('HSET', POOL, 'left', pool[5], 'issued', pool[6], 'seq', seq)
end
-- A repeat must not be answered before its first write is on the replicas: this write puts the WAIT behind it.
for _, t in ipairs(touched) do redis.call('HSET', t[1], 'n', t[2]) end
-- Whoever came in time and found too few coins is not late when he comes again, as he is asked to.
for _, w in ipairs(waits) do redis.call('HSET', w[1], 'w', w[2]) end
-- A hint for the keeper, which brings coins from idle shards; no accounting hangs on it.
if short > need then redis.call('HSET', POOL, 'need', string.format('%d', short)) end
return results
