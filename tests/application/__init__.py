"""The write side on a real Postgres."""
