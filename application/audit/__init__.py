"""Proof that the log is what was written: verifying, signed checkpoints, proofs to check offline."""
