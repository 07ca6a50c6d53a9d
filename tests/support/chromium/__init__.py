"""The browser of the tests, and how it is installed."""
