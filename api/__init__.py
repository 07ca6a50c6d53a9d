"""The edge of Daybook: HTTP, the command line, settings, and what one machine runs by itself."""
