"""How a command is declared: its help in one place, examples kept as they are written."""

from __future__ import annotations

import argparse
from textwrap import dedent
from typing import NoReturn

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


class CommandParser(argparse.ArgumentParser):
    """Says what is wrong in one line, not below a screen of usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{self.prog}: {message} (see `{self.prog} --help`)\n")


def add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, about: str, more: str
) -> argparse.ArgumentParser:
    """Add a command; `about` is its line in the list, `more` follows its options as it is (examples, exit status)."""
    return commands.add_parser(
        name,
        help=about,
        description=about[0].upper() + about[1:] + ".",
        epilog=dedent(more).strip("\n"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
