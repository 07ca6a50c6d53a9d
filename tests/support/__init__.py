"""What tests share: histories in the domain's words, and ways to look at, damage and load a log."""
