"""Read model: every event in words, with who asked for it and why, for search by either."""
