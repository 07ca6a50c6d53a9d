"""Read model: every transfer with what became of it, for look-up and search."""
