-- add: queues what is new, or known in a lower role only. ARGV: most waiting URLs of a host, whether depths matter, then of each run of URLs of
-- one host and rank: the host, its least delay, the rank, how many they are, their ids, and their entries. Answers how many were queued, and
-- which hosts are full.
--
-- A number that becomes text takes as long as a small command: what the client has as text is used as text.

local ARGV, cap, by_depth = ARGV, tonumber(ARGV[1]), ARGV[2] == '1'
local known_pages, requisites = family('p'), 0
local kinds = call('HMGET', P .. 'n', 'Crq', 'Crd', 'Crf', 'Crs')
for kind = 1, 4 do requisites = requisites + (kinds[kind] or 0) end
local ended_requisites -- read where there are any
local lesser = call('HLEN', P .. 'low') -- sitemaps and probes, by id: their state and their entry
local deepest = by_depth and tonumber(call('HGET', P .. 'n', 'deepest') or 0) or 0
local deepest_before = deepest
local rising = { b = 1, r = 2, s = 3, p = 4 }
local added = 0
local host, facts, fresh, is_closed -- of the run at work
local full = {}

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

local function queue(entry) fresh[#fresh + 1] = entry end

-- What waits is put where its new rank belongs; what waits for a time goes on waiting.
local function move(entry, old_rank)
  local raw, rank = sub(entry, 1, 8), rank_of(entry)
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
  if role == 'r' then put(family('rq'), id, entry)
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
    local waiting_requisites = family('rq')
    ended_requisites = ended_requisites or { d = family('rd'), f = family('rf'), s = family('rs') }
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

-- Whether each of so many URLs is a page that is new or known as a page: then nobody needs to look at one after the other.
local function is_plain(rank, first, last)
  if requisites > 0 or by_depth or rank == '-1' or rank == '0' then return false end
  if lesser == 0 then return true end
  for _, one in ipairs(call('HMGET', P .. 'low', unpack(ARGV, first, last))) do
    if one then return false end
  end
  return true
end

-- Writes what is new of the run.
local function push(rank, was_queued)
  local number = #fresh
  if number == 0 then return end
  if is_closed then
    call('RPUSH', P .. 'f:' .. host, unpack(fresh))
    return count('failed', number)
  end
  if call('RPUSH', P .. 'q:' .. rank .. ':' .. host, unpack(fresh)) == number then call('ZADD', P .. 'k:' .. host, rank, rank) end
  if rank == '-1' then call('HINCRBY', P .. 'requisites', host, number) end
  count('r' .. rank, number)
  count('queued', number)
  call('HINCRBY', P .. 'h:' .. host, 'queued', number)
  -- A host that waited for its time, or for its depth, has something new.
  if (was_queued == 0 or facts[4]) and not call('ZSCORE', P .. 'held', host) then call('ZADD', P .. 'due', facts[3] or '0', host) end
  if facts[4] then call('HDEL', P .. 'h:' .. host, 'put_off') end
end

local at, most = 3, #ARGV
while at < most do
  host, fresh = ARGV[at], {}
  local rank, number = ARGV[at + 2], ARGV[at + 3] + 0
  local first = at + 4
  facts = call('HMGET', P .. 'h:' .. host, 'queued', 'closed', 'next_at', 'put_off')
  if not facts[1] then call('HSET', P .. 'h:' .. host, 'queued', '0', 'next_at', '0', 'delay', '0', 'least', ARGV[at + 1], 'token', '0') end
  is_closed = facts[2] and facts[2] ~= ''
  local was_queued, before = (facts[1] or 0) + 0, added
  local room, dropped = cap - was_queued, 0
  if room >= number and is_plain(rank, first, first + number - 1) then
    put_all(known_pages, first, number, fresh)
    added = added + #fresh
  else
    for item = first, first + number - 1 do
      local id, entry = ARGV[item], ARGV[item + number]
      if room <= 0 then
        if not (has(known_pages, id, entry) or has(family('rq'), id, entry) or call('HEXISTS', P .. 'low', id) == 1) then dropped = dropped + 1 end
      elseif not is_known(id, entry) then
        if role_of(entry) == 'p' then put(known_pages, id, entry) end
        remember(id, entry)
        queue(entry)
        added, room = added + 1, room - 1
      end
    end
  end
  if dropped > 0 then
    call('HINCRBY', P .. 'full', host, dropped)
    full[#full + 1] = host
  end
  if added > before then push(rank, was_queued) end
  at = first + 2 * number
end
if added > 0 then count('added', added) end
close()
if deepest > deepest_before then call('HSET', P .. 'n', 'deepest', deepest) end
return { added, full }
