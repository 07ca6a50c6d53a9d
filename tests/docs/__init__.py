"""What the documents show is done by tests, so that it stays true."""
