"""Calls to the outside world: banks, payment services, receivers of webhooks."""
