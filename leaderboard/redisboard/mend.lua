-- mend: sets one player's score where it is still what somebody saw. A reader that raised it meanwhile was right.
--
-- KEYS  1 scores (zset)
-- ARGV  1 user   2 score as it was seen (0: not on the board)   3 score to be set (0: off the board)
-- gives 1 if the score is the wanted one, set now or before; 0 if it is neither
local score = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or '0')
if score == tonumber(ARGV[3]) then return 1 end
if score ~= tonumber(ARGV[2]) then return 0 end
if tonumber(ARGV[3]) == 0 then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
end
return 1
