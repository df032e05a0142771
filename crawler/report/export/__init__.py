"""A crawl's results as files for other tools: read from its folder alone, row after row, in the order of storing."""
