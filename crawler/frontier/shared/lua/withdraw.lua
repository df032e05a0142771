-- withdraw: takes URLs out of a host's queue that nobody has taken yet. ARGV: host, then id, and key and text of each where it was found.
-- Answers how many it were.

local host, removed = ARGV[1], 0
for at = 2, #ARGV, 3 do
  local id, kind, text = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local key, entry, gone = P .. kind .. ':' .. host, text, 0
  if kind == 'b' or kind == 'w' then
    gone = call('ZREM', key, text)
    _, entry = numbered(text)
  else
    gone = call('LREM', key, 1, text)
    if gone == 1 and call('EXISTS', key) == 0 then call('ZREM', P .. 'k:' .. host, sub(kind, 3)) end
  end
  if gone == 1 then
    removed = removed + 1
    count('r' .. rank_of(entry), -1)
    take(family('d' .. depth_of(entry)), id, entry)
    put(family('t'), id, entry)
  end
end
if removed > 0 then
  count('queued', -removed)
  count('skipped', removed)
  if call('HINCRBY', P .. 'h:' .. host, 'queued', -removed) == 0 then call('ZREM', P .. 'due', host) end
end
close()
return removed
