"""The log: its rows, its chain, and the library's contract over it."""
