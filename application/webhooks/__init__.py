"""Webhooks, as Standard Webhooks 1.0.0 has them: those that are sent, and those that come in."""
