"""Tests of the read side, against a real log that a real ledger writes."""
