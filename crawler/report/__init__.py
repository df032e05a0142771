"""What a crawl found, read from its folder alone: nothing here fetches, and nothing is written to the database."""
