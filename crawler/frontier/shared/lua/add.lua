-- add: queues what is new, or known in a lower role only. ARGV: most waiting URLs of a host, whether depths matter, then for each host
-- its name, its least delay, how many URLs, and for each URL its id and its entry. Answers how many were queued, and which hosts are full.

local cap, by_depth = tonumber(ARGV[1]), ARGV[2] == '1'
read_families({ 'p', 'rq', 'rd', 'rf', 'rs' })
local known_pages, waiting_requisites = family('p'), family('rq')
local ended_requisites = { d = family('rd'), f = family('rf'), s = family('rs') }
local requisites = waiting_requisites.count + ended_requisites.d.count + ended_requisites.f.count + ended_requisites.s.count
local lesser = call('HLEN', P .. 'low') -- sitemaps and probes, by id: their state and their entry
local deepest = by_depth and tonumber(call('HGET', P .. 'n', 'deepest') or 0) or 0
local deepest_before = deepest
local rising = { b = 1, r = 2, s = 3, p = 4 }
local added = 0
local host, facts, fresh, is_closed -- of the group at work
local full = {}
local is_plain = requisites == 0 and lesser == 0 and not by_depth -- then a page is new or it is known

-- Where an entry waits: its text, the key that has it, and which kind of key that is. It is moved seldom enough to be looked for.
local function where(rank, raw)
  for _, kind in ipairs({ 'b:', 'w:' }) do
    for _, text in ipairs(call('ZRANGE', P .. kind .. host, 0, -1)) do
      local _, entry = numbered(text)
      if sub(entry, 1, 8) == raw then return text, P .. kind .. host, kind end
    end
  end
  local key = is_closed and P .. 'f:' .. host or P .. 'q:' .. rank .. ':' .. host
  for from = 0, call('LLEN', key) - 1, 200 do
    for _, entry in ipairs(call('LRANGE', key, from, from + 199)) do
      if sub(entry, 1, 8) == raw then return entry, key, 'q:' end
    end
  end
end

local function queue(entry)
  local rank = rank_of(entry)
  local entries = fresh[rank]
  if entries then entries[#entries + 1] = entry else fresh[rank] = { entry } end
end

-- What waits is put where its new rank belongs; what waits for a time goes on waiting.
local function move(entry, old_rank)
  local raw, rank = sub(entry, 1, 8), rank_of(entry)
  for of, entries in pairs(fresh) do
    for at, one in ipairs(entries) do
      if sub(one, 1, 8) == raw then
        table.remove(entries, at)
        return queue(entry)
      end
    end
  end
  local text, key, kind = where(old_rank, raw)
  if not text then return false end
  if kind == 'q:' then
    call('LREM', key, 1, text)
    if is_closed then call('RPUSH', key, entry) return true end
    if call('EXISTS', key) == 0 then call('ZREM', P .. 'k:' .. host, old_rank) end
    call('HINCRBY', P .. 'h:' .. host, 'queued', -1)
    count('queued', -1)
    count('r' .. old_rank, -1)
    if old_rank == -1 then less_requisites(host, 1) end
    return queue(entry)
  end
  local number = numbered(text)
  local at = kind == 'w:' and call('ZSCORE', key, text) or ranked(rank, number)
  call('ZREM', key, text)
  call('ZADD', key, at, format('%.0f|', number) .. entry)
  count('r' .. old_rank, -1)
  count('r' .. rank, 1)
  if old_rank == -1 then less_requisites(host, 1) elseif rank == -1 then call('HINCRBY', P .. 'requisites', host, 1) end
  return true
end

-- Raises a URL that is known with `old` (of a requisite that ended there is none) and ended in `state`, unless it did not.
local function raise(entry, old, old_rank, state)
  local raw = sub(entry, 1, 8)
  if state == 'q' then
    local held = call('HGET', P .. 'l:' .. host, raw)
    if held then
      local number = numbered(sub(held, 2))
      call('HSET', P .. 'l:' .. host, raw, format('+%.0f|', number) .. entry)
      count('r' .. rank_of(entry), 1)
      count('r' .. old_rank, -1)
      if role_of(entry) == 'p' then count('granted', 1) end
    else
      move(entry, old_rank)
    end
  else
    count(state == 'd' and 'done' or state == 'f' and 'failed' or 'skipped', -1)
    queue(entry)
  end
  added = added + 1
end

local function remember(id, entry)
  local role = role_of(entry)
  is_plain = is_plain and role == 'p'
  if role == 'r' then put(waiting_requisites, id, entry)
    requisites = requisites + 1
  elseif role ~= 'p' then
    call('HSET', P .. 'low', id, 'q' .. entry)
    lesser = lesser + 1
  elseif by_depth then
    local depth = depth_of(entry)
    put(family('d' .. depth), id, entry)
    if depth > deepest then deepest = depth end
  end
end

-- A page that waits at a greater depth comes nearer. Only a limit of the depth makes that matter.
local function bring_nearer(id, entry)
  local depth = depth_of(entry)
  for further = depth + 1, deepest do
    local it = family('d' .. further)
    if has(it, id, entry) then
      if is_closed or call('HEXISTS', P .. 'l:' .. host, sub(entry, 1, 8)) == 1 then return end
      take(it, id, entry)
      put(family('d' .. depth), id, entry)
      move(entry, further + 1)
      added = added + 1
      return
    end
  end
end

-- Whether the URL is known as what it is found as, or as more; what is known in a lower role is raised.
local function is_known(id, entry)
  local role = role_of(entry)
  if role ~= 'p' and has(known_pages, id, entry) then return true end
  if requisites > 0 then
    local state = has(waiting_requisites, id, entry) and 'q'
    for ended, it in pairs(ended_requisites) do
      if not state and has(it, id, entry) then state = ended end
    end
    if state then
      local waits = state == 'q' and not is_closed and call('HEXISTS', P .. 'l:' .. host, sub(entry, 1, 8)) == 0
      if rising[role] <= rising.r or (role == 'p' and not waits) then return true end
      take(state == 'q' and waiting_requisites or ended_requisites[state], id, entry)
      raise(entry, nil, -1, state)
      remember(id, entry)
      if role == 'p' then put(known_pages, id, entry) end
      return true
    end
  end
  if lesser > 0 then
    local low = call('HGET', P .. 'low', id)
    if low then
      local state, old = sub(low, 1, 1), sub(low, 2)
      local waits = state == 'q' and not is_closed and call('HEXISTS', P .. 'l:' .. host, sub(entry, 1, 8)) == 0
      if rising[role] < rising[role_of(old)] then return true end
      if role == role_of(old) and not (rank_of(entry) < rank_of(old) and waits) then return true end
      call('HDEL', P .. 'low', id)
      raise(entry, old, rank_of(old), state)
      remember(id, entry)
      if role == 'p' then put(known_pages, id, entry) end
      return true
    end
  end
  if role ~= 'p' then return false end
  if has(known_pages, id, entry) then
    if deepest > 0 then bring_nearer(id, entry) end
    return true
  end
  return false
end

-- Writes what is new of the group.
local function push(was_queued)
  local number, requisites_here = 0, 0
  for rank, entries in pairs(fresh) do
    if #entries > 0 then
      number = number + #entries
      if is_closed then
        call('RPUSH', P .. 'f:' .. host, unpack(entries))
      else
        if call('RPUSH', P .. 'q:' .. rank .. ':' .. host, unpack(entries)) == #entries then call('ZADD', P .. 'k:' .. host, rank, rank) end
        count('r' .. rank, #entries)
        if rank == -1 then requisites_here = #entries end
      end
    end
  end
  if number == 0 then return end
  if is_closed then return count('failed', number) end
  if requisites_here > 0 then call('HINCRBY', P .. 'requisites', host, requisites_here) end
  count('queued', number)
  call('HINCRBY', P .. 'h:' .. host, 'queued', number)
  -- A host that waited for its time, or for its depth, has something new.
  if (was_queued == 0 or facts[4]) and not call('ZSCORE', P .. 'held', host) then call('ZADD', P .. 'due', facts[3] or '0', host) end
  if facts[4] then call('HDEL', P .. 'h:' .. host, 'put_off') end
end

local at = 3
while at <= #ARGV do
  host, fresh = ARGV[at], {}
  local least, last = ARGV[at + 1], at + 2 + 2 * ARGV[at + 2]
  facts = call('HMGET', P .. 'h:' .. host, 'queued', 'closed', 'next_at', 'put_off')
  if not facts[1] then call('HSET', P .. 'h:' .. host, 'queued', 0, 'next_at', 0, 'delay', 0, 'least', least, 'token', 0) end
  is_closed = facts[2] and facts[2] ~= ''
  local was_queued = tonumber(facts[1] or 0)
  local room, dropped, before = cap - was_queued, 0, added
  for item = at + 3, last, 2 do
    local id, entry = ARGV[item], ARGV[item + 1]
    local a, b, c, d, _, _, _, _, role, _, high, middle, low = byte(entry, 1, 13)
    if is_plain and role == 112 and room > 0 then -- the usual case
      if put_there(known_pages, id, a, b, c, d) then
        local rank = 1 + high * 65536 + middle * 256 + low
        local entries = fresh[rank]
        if entries then entries[#entries + 1] = entry else fresh[rank] = { entry } end
        added, room = added + 1, room - 1
      end
    elseif room <= 0 then
      if not (has(known_pages, id, entry) or has(waiting_requisites, id, entry) or call('HEXISTS', P .. 'low', id) == 1) then dropped = dropped + 1 end
    elseif not is_known(id, entry) then
      if role_of(entry) == 'p' then put(known_pages, id, entry) end
      remember(id, entry)
      queue(entry)
      added, room = added + 1, room - 1
    end
  end
  if dropped > 0 then
    call('HINCRBY', P .. 'full', host, dropped)
    full[#full + 1] = host
  end
  if added > before then push(was_queued) end
  at = last + 1
end
if added > 0 then count('added', added) end
close()
if deepest > deepest_before then call('HSET', P .. 'n', 'deepest', deepest) end
return { added, full }
