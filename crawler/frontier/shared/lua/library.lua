-- What all scripts of the shared frontier have in common. Each script is this file, `hosts.lua` unless it is `add`, and its own, and sees one
-- partition: KEYS[1] is the prefix of all its keys, with the hash tag. Ids are decimal strings wherever Redis keeps them as integers and 8
-- raw bytes inside of entries; they are never calculated with.
--
-- An entry is a queued URL: 8 bytes id, 1 byte role, 1 byte attempts, 3 bytes depth, then what the client made of the rest.

local P, call = KEYS[1], redis.call
local floor, sub, byte, char, find, format = math.floor, string.sub, string.byte, string.char, string.find, string.format
local PARTS = 4 -- a bucket is split into
local LOAD = 100 -- ids in a bucket on average; four times as many before it is split, which is below set-max-intset-entries (512)
local ORDER = 68719476736 -- 2^36: a place in a host's queue is its rank times this and a running number

local function exact(number) return format('%.17g', number) end

-- Counters: what changes is collected and written at the end.

local change = {}
local function count(name, by) change[name] = (change[name] or 0) + by end

local function total(name) return tonumber(call('HGET', P .. 'n', name) or 0) + (change[name] or 0) end

-- Sets of ids that grow: a linear hash of sets small enough that Redis packs them, 8 bytes an id. A bucket is the ids of a range, and
-- the ranges are split in their order. A range is found by the first 24 bits of an id, which stand in its entry; they name the bucket in
-- three bytes, as making text of a number, or a number of text, takes as long as all the rest.

local families = {}

local function shape(it)
  it.size = PARTS ^ it.level
  it.scale, it.before, it.after = it.size / 16777216, P .. it.name .. it.level .. ':', P .. it.name .. (it.level + 1) .. ':'
  it.room = LOAD * (it.size + (PARTS - 1) * it.split) -- ids, until the next bucket is split
end

local function family(name)
  local it = families[name]
  if not it then
    local known = call('HMGET', P .. 'n', 'L' .. name, 'S' .. name, 'C' .. name)
    it = { name = name, level = (known[1] or 0) + 0, split = (known[2] or 0) + 0, count = (known[3] or 0) + 0 }
    shape(it)
    families[name] = it
  end
  return it
end

-- The key of the bucket of an id, of which there are the first three bytes.
local function bucket(it, a, b, c)
  local at = ((a < 128 and a + 128 or a - 128) * 65536 + b * 256 + c) * it.scale
  local number, key = at - at % 1, it.before
  if number < it.split then
    at = at * PARTS
    number, key = at - at % 1, it.after -- where what was split is
  end
  local low = number % 256
  local rest = (number - low) / 256
  local middle = rest % 256
  return key .. char((rest - middle) / 256, middle, low)
end

-- The first three bytes of an id that is there as a decimal number, which is more than a double holds.
local function bytes_of(id)
  local is_negative = byte(id) == 45
  if is_negative then id = sub(id, 2) end
  local upper, lower = #id > 9 and sub(id, 1, -10) + 0 or 0, sub(id, -9) + 0
  local most = floor(upper / 65536) * 1000000000 -- upper * 10^9 + lower, divided by 2^32 in steps that a double does hold
  local rest = most % 65536 * 65536 + upper % 65536 * 1000000000 + lower
  local top = floor(most / 65536) + floor(rest / 4294967296)
  if is_negative then top = 4294967296 - top - (rest % 4294967296 > 0 and 1 or 0) end
  return floor(top / 16777216) % 256, floor(top / 65536) % 256, floor(top / 256) % 256
end

-- The ids of a bucket come in their order when they are packed: each part is a run, whose end is looked for by halves.
local function split(it)
  local at, upper = it.split, { name = it.name, level = it.level + 1, split = 0 }
  shape(upper)
  local key = it.before .. char(floor(at / 65536), floor(at / 256) % 256, at % 256)
  local is_ordered = call('OBJECT', 'ENCODING', key) == 'intset'
  local ids = call('SMEMBERS', key)
  local first, count = 1, #ids
  call('UNLINK', key)
  while first <= count do
    local last, beyond, into = first, count + 1, bucket(upper, bytes_of(ids[first]))
    if is_ordered and bucket(upper, bytes_of(ids[count])) == into then last = count end
    while is_ordered and beyond - last > 1 do
      local middle = floor((last + beyond) / 2)
      if bucket(upper, bytes_of(ids[middle])) == into then last = middle else beyond = middle end
    end
    call('SADD', into, unpack(ids, first, last))
    first = last + 1
  end
  it.split = at + 1
  if it.split == it.size then it.level, it.split = it.level + 1, 0 end
  shape(it)
  it.moved = true
end

-- Each takes an id, and an entry of it for its first bytes.

local function has(it, id, entry) return it.count > 0 and call('SISMEMBER', bucket(it, byte(entry, 1, 3)), id) == 1 end

local function put(it, id, entry)
  if call('SADD', bucket(it, byte(entry, 1, 3)), id) == 0 then return false end
  it.count, it.changed = it.count + 1, true
  if it.count > it.room then split(it) end
  return true
end

-- The same for so many ids, from ARGV[first] on, and their entries, which come after them; adds the entries of those that are new to `fresh`.
-- What `bucket` does stands here again: calling it takes a twentieth of all that a new URL costs.
local function put_all(it, first, number, fresh)
  local ARGV, call, byte, char = ARGV, call, byte, char
  local known, new, room = it.count, 0, it.room - it.count
  local scale, begun, before, after = it.scale, it.split, it.before, it.after
  for item = first, first + number - 1 do
    local entry = ARGV[item + number]
    local a, b, c = byte(entry, 1, 3)
    local at = ((a < 128 and a + 128 or a - 128) * 65536 + b * 256 + c) * scale
    local place, key = at - at % 1, before
    if place < begun then
      at = at * PARTS
      place, key = at - at % 1, after
    end
    local low = place % 256
    local rest = (place - low) / 256
    local middle = rest % 256
    if call('SADD', key .. char((rest - middle) / 256, middle, low), ARGV[item]) == 1 then
      new = new + 1
      fresh[new] = entry
      if new > room then
        it.count = known + new
        split(it)
        room = it.room - known
        scale, begun, before, after = it.scale, it.split, it.before, it.after
      end
    end
  end
  it.count, it.changed = known + new, it.changed or new > 0
end

local function take(it, id, entry)
  if it.count == 0 or call('SREM', bucket(it, byte(entry, 1, 3)), id) == 0 then return false end
  it.count, it.changed = it.count - 1, true
  return true
end

-- Writes what was counted. The last thing of every script that changes anything.
local function close()
  for name, by in pairs(change) do
    if by ~= 0 then call('HINCRBY', P .. 'n', name, by) end
  end
  for name, it in pairs(families) do
    if it.moved then call('HSET', P .. 'n', 'L' .. name, it.level, 'S' .. name, it.split, 'C' .. name, it.count)
    elseif it.changed then call('HSET', P .. 'n', 'C' .. name, it.count) end
  end
end

-- Entries.

local function role_of(entry) return sub(entry, 9, 9) end

local function depth_of(entry)
  local high, middle, low = byte(entry, 11, 13)
  return high * 65536 + middle * 256 + low
end

local function rank_of(entry)
  local role, _, high, middle, low = byte(entry, 9, 13)
  if role == 112 then return 1 + high * 65536 + middle * 256 + low end
  return role == 115 and 0 or -1 -- sitemaps; requisites and probes
end

-- The entries of a host that come back (`b`), wait for a time (`w`) or are held (`l`) carry their running number: "17|entry".

local function numbered(text)
  local bar = find(text, '|', 1, true)
  return tonumber(sub(text, 1, bar - 1)), sub(text, bar + 1)
end

local function ranked(rank, number) return exact(rank * ORDER + number) end

-- Puts an entry that was held back into its place, or lets it wait until `at`.
local function give_back(host, number, entry, at)
  local text = format('%.0f|', number) .. entry
  if at then call('ZADD', P .. 'w:' .. host, exact(at), text)
  else call('ZADD', P .. 'b:' .. host, ranked(rank_of(entry), number), text) end
  if rank_of(entry) == -1 then call('HINCRBY', P .. 'requisites', host, 1) end
  call('HINCRBY', P .. 'h:' .. host, 'queued', 1)
  count('queued', 1)
end

local function less_requisites(host, by)
  if by > 0 and call('HINCRBY', P .. 'requisites', host, -by) <= 0 then call('HDEL', P .. 'requisites', host) end
end
