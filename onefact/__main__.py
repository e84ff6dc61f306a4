"""`python -m onefact` is the command line."""

from onefact.cli import main

main()
