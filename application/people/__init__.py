"""What is personal of users: sealed on the way in, found by digests, opened for who may see it."""
