"""Statements of an account in each format."""
