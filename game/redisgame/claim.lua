-- claim: pays rounds of one shard's players whose settle was lost with its server: each round id once, whatever happened
-- since, and always in full. Whoever calls has looked: the ledger lacks the round, and has read the epoch's end.
--
-- KEYS  1 pool   2 outbox   3… player hashes, one a call
-- ARGV  1 host
--       then for each call: user, number, started at ms, start epoch, shakes, elapsed ms, computed coins, coins to pay,
--       granted chances, epoch, seq and settled at ms of the settle that was lost, seq up to which the ledger had read
--       this shard when it lacked the round
-- gives {"ok", now ms, result…} or {"fenced", now ms}; a result is one of
--   ok <coins>      the round is paid, now or before
--   wait            it can't be told yet: the claim's epoch is not closed here, or the ledger has to read on
--   short <coins>   the slice can't pay that much: draw, and send again
--   empty           the slice can't pay, and no coin is anywhere else
--   error <text>    the player's key is not what it should be
--
-- A claim becomes the player's last result where that leaves nothing else behind: no later round is settled, and none
-- but the claimed one is open. Otherwise it is paid beside, and field c of the player keeps "<coins> <read>" and
-- " <epoch>.<number>.<seq>" for each claim. The coins count with the next total; read is how far the ledger had come
-- where claims were forgotten, which have to be in it then.
local POOL, OUT = KEYS[1], KEYS[2]
local most = 32 -- claims paid beside that one player has under way: as many as tell of a ledger that stands still
local time = redis.call('TIME')
local stamp = string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000))
local pool = redis.call('HMGET', POOL, 'host', 'epoch', 'seq', 'need', 'left', 'issued', 'funded', 'sent', 'received', 'dry')
if pool[1] ~= ARGV[1] then return {'fenced', stamp} end
local epoch, left, issued, dry = tonumber(pool[2]), tonumber(pool[5]), tonumber(pool[6]), pool[10] == '1'
local need = tonumber(pool[4]) or 0
local seq = string.format('%d', pool[3] + 1)

-- What is kept of claims paid beside: coins, read, and the list without those that the ledger has and nobody can settle.
local function beside(text, read, settled)
  local extra, seen, list = string.match(text or '0 0', '^(%d+) (%d+)(.*)$')
  if not extra then return nil end
  extra, seen = tonumber(extra), tonumber(seen)
  local kept, count = '', 0
  for e, n, s in string.gmatch(list, ' (%d+)%.(%d+)%.(%d+)') do
    if tonumber(s) <= read and tonumber(n) <= settled then
      seen = math.max(seen, read)
    else
      kept, count = kept .. ' ' .. e .. '.' .. n .. '.' .. s, count + 1
    end
  end
  return extra, seen, kept, count, list
end

local results, writes, lines, touched, short = {'ok', stamp}, {}, {}, {}, 0
for i = 3, #KEYS do
  local a = 2 + (i - 3) * 13
  local number, paid, read = tonumber(ARGV[a + 1]), tonumber(ARGV[a + 7]), tonumber(ARGV[a + 12])
  local p = redis.pcall('HMGET', KEYS[i], 'n', 's', 'e', 'r', 'c')
  local result
  if p.err then
    result = 'error ' .. p.err
  else
    local settled, got, total, at, born = 0, nil, 0, 0, nil
    if p[4] then
      settled, got, total, at, born = string.match(p[4], '^(%d+) %d+ %d+ %d+ (%d+) (%d+) %d+ %-?%d+ %d+ (%d+) %d+ (%d+)$')
      settled, total, at = tonumber(settled or ''), tonumber(total or ''), tonumber(at or '')
    end
    local extra, seen, kept, count, list
    if settled then extra, seen, kept, count, list = beside(p[5], read, settled) end
    local own = ARGV[a + 3] .. '.' .. ARGV[a + 1] .. '.'
    local open = (p[2] or '') ~= ''
    if not extra then result = 'error unreadable facts'
    elseif tonumber(ARGV[a + 9]) >= epoch then result = 'wait'
    elseif number == settled and born == ARGV[a + 3] then
      result = 'ok ' .. got
      touched[#touched + 1] = {KEYS[i], p[1]}
    elseif string.find(list, ' ' .. own, 1, true) then
      result = 'ok ' .. ARGV[a + 7]
      touched[#touched + 1] = {KEYS[i], p[1] or '0'}
    -- Behind a later round, or a claim that is forgotten, the same round may have been paid: the ledger would have it.
    elseif settled > number and at > read or read < seen then result = 'wait'
    elseif count >= most then result = 'wait'
    elseif paid > left and dry then result = 'empty'
    elseif paid > left then
      short = math.max(short, paid)
      result = 'short ' .. string.format('%d', paid)
    else
      left, issued = left - paid, issued + paid
      local last = number > settled and (not open or p[1] == ARGV[a + 1] and p[3] == ARGV[a + 3])
      local chances = math.max(0, tonumber(ARGV[a + 8]) - number)
      local sums = string.format('%d %d %d', paid, total + extra + paid, chances)
      local play = ARGV[a + 4] .. ' ' .. ARGV[a + 5] .. ' ' .. ARGV[a + 6]
      local took = string.format('%d', stamp - ARGV[a + 2])
      extra = last and 0 or extra + paid
      if last then
        local facts = ARGV[a + 1] .. ' ' .. play .. ' ' .. sums .. ' ' .. took .. ' ' .. pool[2] .. ' ' .. seq
          .. ' ' .. ARGV[a + 2] .. ' ' .. ARGV[a + 3]
        writes[#writes + 1] = {KEYS[i], 'n', string.format('%d', math.max(number, tonumber(p[1]) or 0)), 's', '', 'r', facts}
      else
        writes[#writes + 1] = {KEYS[i]}
        kept = kept .. ' ' .. own .. seq
      end
      if p[5] or not last then
        local w = writes[#writes]
        w[#w + 1] = 'c'
        w[#w + 1] = string.format('%d %d', extra, seen) .. kept
      end
      result = 'ok ' .. ARGV[a + 7]
      lines[#lines + 1] = ARGV[a] .. ' ' .. ARGV[a + 1] .. ' ' .. ARGV[a + 3] .. ' ' .. ARGV[a + 2] .. ' ' .. play .. ' ' .. sums
        .. ' ' .. ARGV[a + 9] .. ' ' .. ARGV[a + 10] .. ' ' .. ARGV[a + 11] .. ' ' .. (last and '0' or '1') .. ' ' .. string.format('%d', extra)
    end
  end
  results[#results + 1] = result
end

if #writes > 0 then
  pool[5], pool[6] = string.format('%d', left), string.format('%d', issued)
  -- The entry goes first: where the outbox is not what it should be, nothing else is written.
  redis.call('XADD', OUT, pool[2] .. '-' .. seq, 'k', 'claim', 't', stamp,
    's', table.concat(pool, ' ', 5, 10), 'd', table.concat(lines, '\n'))
  for _, w in ipairs(writes) do redis.call('HSET', unpack(w)) end
  redis.call('HSET', POOL, 'left', pool[5], 'issued', pool[6], 'seq', seq)
end
-- A repeat must not be answered before its first write is on the replicas: this write puts the WAIT behind it.
for _, t in ipairs(touched) do redis.call('HSET', t[1], 'n', t[2]) end
-- A hint for the keeper, which brings coins from idle shards; no accounting hangs on it.
if short > need then redis.call('HSET', POOL, 'need', string.format('%d', short)) end
return results
