"""How a setting is described, read from text, TOML or Python, and merged from several places. Knows no particular setting."""
