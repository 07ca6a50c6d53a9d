"""The read side: read models that follow the log, what drives and rebuilds them, and their queries."""
