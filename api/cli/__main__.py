"""`python -m api.cli` is `daybook`."""

from api.cli import main

main()
