-- readmit: queues again what was skipped as a trap. ARGV: host, then id and entry of each. Answers how many it were.

local host, back = ARGV[1], 0
for at = 2, #ARGV, 2 do
  local entry = ARGV[at + 1]
  if take(family('t'), ARGV[at], entry) then
    back = back + 1
    count('r' .. rank_of(entry), 1)
    give_back(host, call('HINCRBY', P .. 'h:' .. host, 'number', 1), entry)
  end
end
if back > 0 then
  count('skipped', -back)
  count('added', back)
  if (call('HGET', P .. 'h:' .. host, 'closed') or '') ~= '' then fail_queue(host)
  elseif not call('ZSCORE', P .. 'held', host) then call('ZADD', P .. 'due', call('HGET', P .. 'h:' .. host, 'next_at') or '0', host) end
end
close()
return back
