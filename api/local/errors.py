"""The one error of the local servers."""


class LocalServerError(Exception):
    """A local server cannot run; the message says why and what to do about it."""
