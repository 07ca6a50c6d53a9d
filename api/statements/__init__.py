"""Statements of an account as files: camt.053, CSV, PDF and JSON."""
