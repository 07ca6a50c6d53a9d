"""The one door: what goes in, what comes out, and what is in the log afterwards."""
