"""`python -m gateway` is the command `panthera`."""

from gateway.cli import main

main()
