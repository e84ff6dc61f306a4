"""The command line: `onefact VERB`. Engines are imported by the verb that needs them, so help answers at once."""

from onefact.cli.app import main

__all__ = ["main"]
