"""Read model: every user as it is now, what is personal still sealed."""
