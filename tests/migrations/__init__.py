"""The migrations on a real Postgres."""
