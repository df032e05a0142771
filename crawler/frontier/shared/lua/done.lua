-- done: acknowledges a part of a lease. ARGV: host, token, next time, delay, why it is closed, its state, its robots.txt ('=': as it was),
-- then of each outcome: raw id, id, state (d, f, s; t: skipped as a trap; q: again), bytes, 1 for a good page, not before, new entry.
-- Answers whether the lease is held.

local host, token = ARGV[1], ARGV[2]
if not is_held(host, token) then return 0 end
local ended = { d = 'done', f = 'failed', s = 'skipped', t = 'skipped' }

for at = 8, #ARGV, 7 do
  local raw, id, state = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local held = call('HGET', P .. 'l:' .. host, raw)
  if held then
    local is_raised = sub(held, 1, 1) == '+'
    local number, entry = numbered(sub(held, 2))
    local role = role_of(entry)
    call('HDEL', P .. 'l:' .. host, raw)
    count('leased', -1)
    if role == 'p' then count('granted', -1) end
    count('size', tonumber(ARGV[at + 3]))
    if is_raised or state == 'q' then
      local wait = state == 'q' and tonumber(ARGV[at + 5]) > 0 and tonumber(ARGV[at + 5]) or nil
      give_back(host, number, is_raised and entry or ARGV[at + 6], wait)
    else
      count(ended[state], 1)
      count('r' .. rank_of(entry), -1)
      if role == 'p' then
        count('ok_pages', tonumber(ARGV[at + 4]))
        take(family('d' .. depth_of(entry)), id, entry)
        if state == 't' then put(family('t'), id, entry) end
      elseif role == 'r' then
        take(family('rq'), id, entry)
        put(family(state == 't' and 'rs' or 'r' .. state), id, entry)
      else
        call('HSET', P .. 'low', id, (state == 't' and 's' or state) .. sub(entry, 1, 13))
      end
    end
  end
end
hear(host, { ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7] })
close()
return 1
