"""The command line: `daybook --help`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line. Loading it takes a second, and Ctrl-C is no trace then either."""
    try:
        from api.cli.commands import run

        run()
    except KeyboardInterrupt:
        sys.exit(130)
