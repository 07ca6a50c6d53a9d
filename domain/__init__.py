"""The rules of the ledger: events, states and decisions, without I/O, clock or randomness."""
