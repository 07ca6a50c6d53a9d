"""Proof that the log is what was written: nobody changes it unnoticed, and others can check that."""
