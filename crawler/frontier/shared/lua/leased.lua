-- leased: which of these URLs are held under a lease. ARGV: host, token, then raw ids. Answers their numbers; nothing when it is lost.

if not is_held(ARGV[1], ARGV[2]) then return false end
local held = {}
if #ARGV > 2 then
  for at, one in ipairs(call('HMGET', P .. 'l:' .. ARGV[1], unpack(ARGV, 3))) do
    if one then held[#held + 1] = at - 1 end
  end
end
return held
