"""The write side: the one door to the log, and the log itself."""
