-- held: which of these leases are good. ARGV: host and token of each. Answers their numbers.

local good = {}
for at = 1, #ARGV, 2 do
  if is_held(ARGV[at], ARGV[at + 1]) then good[#good + 1] = (at - 1) / 2 end
end
return good
