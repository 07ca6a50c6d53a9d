"""Read model: every approval, with what was asked for and what became of it."""
