"""Personal data: sealed under one key a person, found by keyed digests, shown masked, erased with its key."""
