"""Numbered SQL, up and down, for what cannot be rebuilt from the log, and the log itself."""
