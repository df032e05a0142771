-- held: which of these leases are good. ARGV: host and token of each. Answers their numbers, each with 1 if it is to be given back.

local good = {}
for at = 1, #ARGV, 2 do
  if is_held(ARGV[at], ARGV[at + 1]) then good[#good + 1] = { (at - 1) / 2, leaves(ARGV[at]) } end
end
return good
